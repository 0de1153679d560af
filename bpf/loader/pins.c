// SPDX-License-Identifier: MIT
#include "pins.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define BPF_FS_MAGIC_NUMBER 0xcafe4a11u
#define NEXT "_next"
#define MODE 0700

static const char *const metadata[] = { "policy", "way", "targets", "listening" };

/* The BPF file system reserves dots. */
static void escape(const char *name, char *out, size_t room)
{
	size_t at = 0;

	for (; *name && at + 4 < room; name++) {
		if (*name == '.' || *name == '%')
			at += (size_t)snprintf(out + at, room - at, "%%%02x", *name);
		else
			out[at++] = *name;
	}
	out[at] = 0;
}

static void unescape(char *name)
{
	char *out = name;

	while (*name) {
		if (!strncmp(name, "%2e", 3) || !strncmp(name, "%25", 3)) {
			*out++ = name[2] == 'e' ? '.' : '%';
			name += 3;
		} else {
			*out++ = *name++;
		}
	}
	*out = 0;
}

struct path {
	char text[PATH_MAX];
};

/* @kind, @name and @below may be NULL; @name and @below are names of others, and escaped. */
static const char *path_to(const struct pins *pins, const char *kind, const char *name,
			   const char *below, struct path *path)
{
	char escaped[NAME_MAX + 1] = "";

	if (name)
		escape(name, escaped, sizeof(escaped));
	(void)snprintf(path->text, sizeof(path->text), "%s%s%s%s%s%s%s", pins->path,
		       kind ? "/" : "", kind ? kind : "", name ? "/" : "", escaped,
		       below ? "/" : "", below ? below : "");
	return path->text;
}

static const char *pin_path(const struct pins *pins, const char *name, const char *suffix,
			    struct path *path)
{
	(void)snprintf(path->text, sizeof(path->text), "%s/%s%s", pins->path, name, suffix);
	return path->text;
}

/* Return: 0, or -errno with @fault set where the directory above lies in no BPF file system */
int pins_require_file_system(const struct pins *pins, struct fault *fault)
{
	struct path path;
	struct statfs stat;
	const char *parent;

	(void)snprintf(path.text, sizeof(path.text), "%s", pins->path);
	parent = dirname(path.text);
	if (statfs(parent, &stat) == 0 && (unsigned int)stat.f_type == BPF_FS_MAGIC_NUMBER)
		return 0;
	return fault_set(fault, -ENODEV, "bpffs-missing", "host",
			 "mount one: mount -t bpf bpf /sys/fs/bpf; or " FAULT_NFTABLES,
			 "%s is no BPF file system", parent);
}

static int make(const char *path)
{
	return mkdir(path, MODE) == 0 || errno == EEXIST ? 0 : -errno;
}

int pins_create(const struct pins *pins, struct fault *fault)
{
	static const char *const kinds[] = { NULL, "interfaces", "xdp" };
	struct path path;
	size_t i;
	int err = pins_require_file_system(pins, fault);

	for (i = 0; !err && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		err = make(path_to(pins, kinds[i], NULL, NULL, &path));
		if (err)
			err = fault_call(fault, err, path.text);
	}
	return err;
}

/* Return: 1, 0, or -errno where we may not look: "not there" would be a guess. */
int pins_exist(const struct pins *pins, struct fault *fault)
{
	struct stat stat_;

	if (stat(pins->path, &stat_) == 0)
		return 1;
	if (errno == ENOENT || errno == ENOTDIR)
		return 0;
	return fault_call(fault, -errno, pins->path);
}

bool pins_have(const struct pins *pins, const char *name)
{
	struct path path;

	return access(pin_path(pins, name, "", &path), F_OK) == 0;
}

/* Return: a descriptor, or -errno; -ENOENT where there is no such pin */
int pins_open(const struct pins *pins, const char *name)
{
	struct path path;

	return bpf_obj_get(pin_path(pins, name, "", &path));
}

/* Pins beside the program set in force; pins_commit_next() puts it into force. */
int pins_pin_next(const struct pins *pins, const char *name, int fd, struct fault *fault)
{
	struct path path;
	int err;

	(void)unlink(pin_path(pins, name, NEXT, &path));
	err = bpf_obj_pin(fd, path.text);
	return err ? fault_call(fault, err, path.text) : 0;
}

int pins_commit_next(const struct pins *pins, const char *name, struct fault *fault)
{
	struct path next;
	struct path path;

	if (rename(pin_path(pins, name, NEXT, &next), pin_path(pins, name, "", &path)) == 0)
		return 0;
	return fault_call(fault, -errno, path.text);
}

void pins_discard_next(const struct pins *pins, const char *name)
{
	struct path path;

	(void)unlink(pin_path(pins, name, NEXT, &path));
}

void pins_discard(const struct pins *pins, const char *name)
{
	struct path path;

	(void)unlink(pin_path(pins, name, "", &path));
}

/* Adds interfaces/<name>, xdp/<name> or interfaces/<name>/clsact. */
int pins_add(const struct pins *pins, const char *kind, const char *name, const char *below)
{
	struct path path;
	int err = make(path_to(pins, kind, NULL, NULL, &path));

	if (!err)
		err = make(path_to(pins, kind, name, NULL, &path));
	if (!err && below)
		err = make(path_to(pins, kind, name, below, &path));
	return err;
}

void pins_drop(const struct pins *pins, const char *kind, const char *name, const char *below)
{
	struct path path;

	(void)rmdir(path_to(pins, kind, name, below, &path));
}

bool pins_has_entry(const struct pins *pins, const char *kind, const char *name, const char *below)
{
	struct path path;

	return access(path_to(pins, kind, name, below, &path), F_OK) == 0;
}

/* @visit: gets each name as it stands there. Return: 0 or -errno; 0 for a directory that is not there */
static int each_entry(const char *path, int (*visit)(const char *, void *), void *context)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	int err = 0;

	if (!directory)
		return errno == ENOENT ? 0 : -errno;
	while (!err && (entry = readdir(directory)) != NULL)
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			err = visit(entry->d_name, context);
	(void)closedir(directory);
	return err;
}

static int collect(const char *name, void *names)
{
	char copy[NAME_MAX + 1];

	(void)snprintf(copy, sizeof(copy), "%s", name);
	unescape(copy);
	return names_add(names, copy);
}

/* Return: 0 or -errno; @names is to be freed in any case */
int pins_entries(const struct pins *pins, const char *kind, struct names *names)
{
	struct path path;
	int err;

	*names = (struct names){ 0 };
	err = each_entry(path_to(pins, kind, NULL, NULL, &path), collect, names);
	names_sort(names);
	return err;
}

struct removal {
	const char *directory;
	const char *ending;	/* NULL: all */
};

static int remove_entry(const char *name, void *context)
{
	const struct removal *removal = context;
	struct path path;
	const size_t length = strlen(name);
	const size_t ending = removal->ending ? strlen(removal->ending) : 0;

	if (length < ending || (ending && strcmp(name + length - ending, removal->ending)))
		return 0;
	(void)snprintf(path.text, sizeof(path.text), "%s/%s", removal->directory, name);
	if (unlink(path.text) != 0)
		(void)rmdir(path.text);
	return 0;
}

/* What an attach left that was killed before it came into force. */
void pins_discard_all_next(const struct pins *pins)
{
	struct removal removal = { pins->path, NEXT };

	(void)each_entry(pins->path, remove_entry, &removal);
}

/* Replaces what is said of @kind: `policy`, `way`, `targets` or `listening`. */
int pins_write(const struct pins *pins, const char *kind, const struct names *values)
{
	struct path path;
	struct removal removal = { path_to(pins, kind, NULL, NULL, &path), NULL };
	size_t i;
	int err;

	err = each_entry(path.text, remove_entry, &removal);
	(void)rmdir(path.text);
	for (i = 0; !err && i < values->count; i++)
		err = pins_add(pins, kind, values->name[i], NULL);
	return err;
}

/* @value: NULL for none */
int pins_write_one(const struct pins *pins, const char *kind, const char *value)
{
	char *name = (char *)value;
	struct names values = { &name, value ? 1 : 0 };

	return pins_write(pins, kind, &values);
}

/* Everything, when no interface is left. */
void pins_remove(const struct pins *pins)
{
	struct names none = { 0 };
	struct removal removal = { pins->path, NULL };
	size_t i;

	for (i = 0; i < sizeof(metadata) / sizeof(metadata[0]); i++)
		(void)pins_write(pins, metadata[i], &none);
	(void)each_entry(pins->path, remove_entry, &removal);
	(void)rmdir(pins->path);
}
