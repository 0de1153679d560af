// SPDX-License-Identifier: MIT
#include "check.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <zlib.h>

#include "json.h"

static void print_names(struct json *json, const char *name,
			const char (*names)[BUNDLE_NAME_LENGTH], uint32_t count)
{
	uint32_t i;

	json_open(json, name, '[');
	for (i = 0; i < count; i++)
		json_text(json, NULL, names[i]);
	json_close(json, ']');
}

static void print_tables(struct json *json, const struct contents *contents)
{
	uint32_t i;

	json_open(json, "tables", '[');
	for (i = 0; i < contents->table_count; i++) {
		const struct table *table = &contents->tables[i];

		json_open(json, NULL, '{');
		json_text(json, "map", table->section->map);
		json_number(json, "count", table->section->count);
		json_number(json, "crc32",
			    crc32(0, table->data, (uInt)table->section->length));
		json_close(json, '}');
	}
	json_close(json, ']');
}

static int print_programs(struct json *json, const struct contents *contents, struct fault *fault)
{
	struct bpf_object *object =
		bpf_object__open_mem(contents->object, contents->object_length, NULL);
	const struct bpf_program *program = NULL;

	if (!object)
		return fault_set(fault, -EINVAL, "bundle-malformed", "user",
				 "send what `sidetrack apply` sends",
				 "the bundle's object is none of eBPF for this machine");
	json_open(json, "programs", '[');
	while ((program = bpf_object__next_program(object, (struct bpf_program *)program)) != NULL)
		json_text(json, NULL, bpf_program__name(program));
	json_close(json, ']');
	bpf_object__close(object);
	return 0;
}

/* Return: 0 or -errno */
int check_print(const struct contents *contents, FILE *out, struct fault *fault)
{
	struct json json = { out, false };
	int err;

	json_open(&json, NULL, '{');
	json_text(&json, "version", contents->header->version);
	json_text(&json, "program", contents->settings->program);
	json_number(&json, "rules", contents->settings->rules);
	json_number(&json, "flowTableSize", contents->settings->flow_table_size);
	json_bool(&json, "xdp", contents->settings->xdp != 0);
	json_number(&json, "targets", contents->target_count);
	json_number(&json, "servers", contents->server_count);
	json_number(&json, "configCrc32",
		    crc32(0, (const void *)&contents->config, sizeof(contents->config)));
	print_names(&json, "interfaces", contents->interfaces, contents->interface_count);
	print_names(&json, "listening", contents->listening, contents->listening_count);
	print_tables(&json, contents);
	err = print_programs(&json, contents, fault);
	json_close(&json, '}');
	(void)fputc('\n', out);
	return err;
}
