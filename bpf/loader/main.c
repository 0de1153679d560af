// SPDX-License-Identifier: MIT
/*
 * sidetrack-bpf: attaches the eBPF classifier on a router without Node.js.
 *
 * The control plane compiles the policy and sends it as a bundle; here it is
 * only written into maps and attached.  The words are those of `sidetrack bpf`,
 * which does the same where there is Node.js, and both leave the same pins.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach.h"
#include "check.h"
#include "input.h"
#include "json.h"
#include "show.h"

#ifndef VERSION
#error "VERSION is that of package.json: bpf/Makefile"
#endif

#define EXIT_USAGE 2

static const char usage[] =
	"usage: sidetrack-bpf [bpf] VERB [--directory PINS] [--json]\n"
	"  attach [--dry-run] [--digest NAME] [--take-over] < BUNDLE\n"
	"  detach [--hand-over]\n"
	"  show [--program DIGEST] [--brief]\n"
	"                               exit 1 when it is not attached everywhere\n"
	"  stats\n"
	"  check < BUNDLE               says what is in a bundle, and asks the kernel nothing\n"
	"  --version\n";

struct options {
	const char *verb;
	struct attach_options attach;
	const char *program;
	bool is_dry_run;
	bool hands_over;
	bool is_json;
	bool is_brief;
};

/* For people on standard error, for programs on standard output. Return: the exit status */
static int report(const struct fault *fault, bool is_json)
{
	struct json json = { stdout, false };

	if (is_json) {
		json_open(&json, NULL, '{');
		json_open(&json, "error", '{');
		json_text(&json, "code", fault->code);
		json_text(&json, "source", fault->source);
		json_text(&json, "message", fault->message);
		json_text(&json, "hint", fault->hint);
		json_close(&json, '}');
		json_close(&json, '}');
		(void)putchar('\n');
	} else {
		(void)fprintf(stderr, "error: %s\n  hint: %s\n", fault->message, fault->hint);
	}
	return !strcmp(fault->source, "user") ? EXIT_USAGE : EXIT_FAILURE;
}

static void say_attached(const struct options *options, const struct contents *contents)
{
	struct json json = { stdout, false };
	uint32_t i;

	if (!options->is_json) {
		(void)printf("%s", options->is_dry_run ? "Could be attached to" : "Attached to");
		for (i = 0; i < contents->interface_count; i++)
			(void)printf("%s %s", i ? "," : "", contents->interfaces[i]);
		(void)printf(": %u rules and guards.\n", contents->settings->rules);
		return;
	}
	json_open(&json, NULL, '{');
	json_bool(&json, "changed", !options->is_dry_run);
	json_open(&json, "interfaces", '[');
	for (i = 0; i < contents->interface_count; i++)
		json_text(&json, NULL, contents->interfaces[i]);
	json_close(&json, ']');
	json_number(&json, "rules", contents->settings->rules);
	json_close(&json, '}');
	(void)putchar('\n');
}

typedef int bundle_fn(struct contents *contents, const struct options *options,
		      struct fault *fault);

static int run_attach(struct contents *contents, const struct options *options, struct fault *fault)
{
	const int err = options->is_dry_run ? attach_try(contents, &options->attach, fault)
					    : attach(contents, &options->attach, fault);

	if (!err)
		say_attached(options, contents);
	return err;
}

static int run_check(struct contents *contents, const struct options *options, struct fault *fault)
{
	(void)options;
	return check_print(contents, stdout, fault);
}

/* What stands in the bundle on standard input is given to @use. */
static int with_bundle(bundle_fn *use, const struct options *options, struct fault *fault)
{
	struct contents *contents = calloc(1, sizeof(*contents));
	uint8_t *text = NULL;
	uint8_t *bytes = NULL;
	size_t length = 0;
	size_t unpacked = 0;
	int err = contents ? input_read(STDIN_FILENO, &text, &length, fault)
			   : fault_call(fault, -ENOMEM, "reading the bundle");

	if (!err)
		err = input_unpack(text, length, &bytes, &unpacked, fault);
	/* A router has little memory, and the tables go into the kernel now. */
	free(text);
	if (!err)
		err = contents_read(bytes, unpacked, contents, fault);
	if (!err)
		err = use(contents, options, fault);
	free(bytes);
	free(contents);
	return err;
}

static int run_detach(const struct options *options, struct fault *fault)
{
	bool was_there;
	const int err = detach(options->attach.directory, options->hands_over, &was_there, fault);

	if (err)
		return err;
	if (options->is_json)
		(void)printf("{\"changed\":%s}\n", was_there ? "true" : "false");
	else
		(void)puts(!was_there ? "Nothing to detach."
			   : options->hands_over
				   ? "Detached: steered connections go on in nftables."
				   : "Detached: steered connections end.");
	return 0;
}

/* Printed when it is whole: an error in the middle leaves no half of it. Return: 0, 1 or -errno */
static int run_report(const struct options *options, struct fault *fault)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	int result;

	if (!out)
		return fault_call(fault, -ENOMEM, "reading the classifier");
	result = !strcmp(options->verb, "show")
			 ? show(options->attach.directory, options->program, options->is_brief, out,
				fault)
			 : stats(options->attach.directory, out, fault);
	if (fclose(out) != 0 && result >= 0)
		result = fault_call(fault, -ENOMEM, "reading the classifier");
	if (result >= 0)
		(void)printf("%s\n", text);
	free(text);
	return result;
}

static int run(const struct options *options, struct fault *fault)
{
	int result;

	if (!strcmp(options->verb, "attach"))
		return with_bundle(run_attach, options, fault);
	if (!strcmp(options->verb, "check"))
		return with_bundle(run_check, options, fault);
	if (!strcmp(options->verb, "detach"))
		return run_detach(options, fault);
	if (!strcmp(options->verb, "stats"))
		return run_report(options, fault);
	if (strcmp(options->verb, "show") != 0)
		return fault_set(fault, -EINVAL, "usage", "user", "see: sidetrack-bpf --help",
				 "sidetrack-bpf has no verb \"%s\"", options->verb);
	result = run_report(options, fault);
	return result < 0 ? result : !result;
}

static int parse(int argc, char *argv[], struct options *options)
{
	static const struct option known[] = {
		{ "directory", required_argument, NULL, 'd' },
		{ "digest", required_argument, NULL, 'n' },
		{ "program", required_argument, NULL, 'p' },
		{ "dry-run", no_argument, NULL, 't' },
		{ "take-over", no_argument, NULL, 'o' },
		{ "hand-over", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, 'j' },
		{ "brief", no_argument, NULL, 'b' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, '?' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'd':
			options->attach.directory = optarg;
			break;
		case 'n':
			options->attach.digest = optarg;
			break;
		case 'p':
			options->program = optarg;
			break;
		case 't':
			options->is_dry_run = true;
			break;
		case 'o':
			options->attach.takes_over = true;
			break;
		case 'h':
			options->hands_over = true;
			break;
		case 'j':
			options->is_json = true;
			break;
		case 'b':
			options->is_brief = true;
			break;
		case 'v':
			(void)puts(VERSION " " LAYOUT);
			exit(EXIT_SUCCESS);
		default:
			return -EINVAL;
		}
	}
	if (optind < argc && !strcmp(argv[optind], "bpf"))
		optind++;
	if (optind != argc - 1)
		return -EINVAL;
	options->verb = argv[optind];
	return 0;
}

static int silent(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level;
	(void)format;
	(void)arguments;
	return 0;
}

int main(int argc, char *argv[])
{
	struct options options = { .attach.directory = "/sys/fs/bpf/sidetrack" };
	struct fault fault = { 0 };
	int result;

	if (parse(argc, argv, &options) != 0) {
		(void)fputs(usage, stderr);
		return EXIT_USAGE;
	}
	/* What matters comes back as errno and verifier log. */
	(void)libbpf_set_print(silent);
	result = run(&options, &fault);
	if (result < 0)
		return report(&fault, options.is_json);
	return fflush(stdout) == 0 ? result : EXIT_FAILURE;
}
