// SPDX-License-Identifier: MIT
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../abi.h"
#include "health_names.h"
#include "json.h"
#include "pins.h"
#include "servers.h"
#include "show.h"

struct reading {
	int counters;
	int rule_counters;
	int rule_names;
	struct counter *of_cpu;
	int cpus;
};

static int not_attached(struct fault *fault)
{
	return fault_set(fault, -ENOENT, "not-attached", "user", "run: sidetrack apply",
			 "the ebpf classifier is not attached");
}

static uint32_t entries_of(int fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t length = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &length) == 0 ? info.max_entries : 0;
}

/* The sum over all CPUs. */
static int read_counter(const struct reading *reading, int fd, uint32_t index, struct counter *sum)
{
	const int err = bpf_map_lookup_elem(fd, &index, reading->of_cpu);
	int cpu;

	*sum = (struct counter){ 0 };
	for (cpu = 0; !err && cpu < reading->cpus; cpu++) {
		sum->packets += reading->of_cpu[cpu].packets;
		sum->bytes += reading->of_cpu[cpu].bytes;
	}
	return err;
}

static void print_count(struct json *json, const struct counter *count)
{
	json_number(json, "packets", count->packets);
	json_number(json, "bytes", count->bytes);
	json_close(json, '}');
}

static int print_outcomes(struct json *json, const struct reading *reading)
{
	static const char *const outcomes[] = {
#define X(name, help) #name,
		OUTCOMES(X)
	};
	static const char *const events[] = {
		EVENTS(X)
#undef X
	};
	const uint32_t count = sizeof(outcomes) / sizeof(outcomes[0]);
	struct counter sum;
	uint32_t i;
	int err = 0;

	json_open(json, "outcomes", '{');
	for (i = 0; !err && i < count; i++) {
		err = read_counter(reading, reading->counters, i, &sum);
		json_open(json, outcomes[i], '{');
		print_count(json, &sum);
	}
	json_close(json, '}');
	json_open(json, "events", '{');
	for (i = 0; !err && i < sizeof(events) / sizeof(events[0]); i++) {
		err = read_counter(reading, reading->counters, count + i, &sum);
		json_number(json, events[i], sum.packets);
	}
	json_close(json, '}');
	return err;
}

static int print_rules(struct json *json, const struct reading *reading)
{
	const uint32_t rules = entries_of(reading->rule_counters);
	char name[RULE_NAME_LENGTH + 1] = "";
	struct counter sum;
	uint32_t i;
	int err = 0;

	json_open(json, "rules", '[');
	for (i = 0; !err && i < rules; i++) {
		err = bpf_map_lookup_elem(reading->rule_names, &i, name);
		if (!err)
			err = read_counter(reading, reading->rule_counters, i, &sum);
		json_open(json, NULL, '{');
		json_text(json, "name", name);
		print_count(json, &sum);
	}
	json_close(json, ']');
	return err;
}

static int open_all(const struct pins *pins, struct reading *reading, struct fault *fault)
{
	int exist = pins_exist(pins, fault);

	if (exist < 0)
		return exist;
	reading->counters = pins_open(pins, "counters");
	reading->rule_counters = pins_open(pins, "rule_counters");
	reading->rule_names = pins_open(pins, "rule_names");
	if (reading->counters == -EPERM || reading->counters == -EACCES)
		return fault_call(fault, reading->counters, "reading the counters");
	if (reading->counters >= 0 && entries_of(reading->counters) != COUNTERS)
		return fault_set(fault, -ESTALE, "counters-outdated", "user",
				 "bring it up to date: sidetrack apply; live flows stay",
				 "what the ebpf classifier counts is of another version of sidetrack");
	if (!exist || reading->counters < 0 || reading->rule_counters < 0 ||
	    reading->rule_names < 0)
		return not_attached(fault);
	reading->cpus = libbpf_num_possible_cpus();
	if (reading->cpus > 0)
		reading->of_cpu = calloc((size_t)reading->cpus, sizeof(*reading->of_cpu));
	return reading->of_cpu ? 0 : fault_call(fault, -ENOMEM, "reading the counters");
}

/* Prints what was counted. Return: 0 or -errno */
int stats(const char *directory, FILE *out, struct fault *fault)
{
	const struct pins pins = { directory };
	struct json json = { out, false };
	struct reading reading = { -1, -1, -1, NULL, 0 };
	const int *fds[] = { &reading.counters, &reading.rule_counters, &reading.rule_names };
	size_t i;
	int err = open_all(&pins, &reading, fault);

	if (!err) {
		json_open(&json, NULL, '{');
		json_number(&json, "version", REPORT_VERSION);
		err = print_outcomes(&json, &reading);
		if (!err)
			err = print_rules(&json, &reading);
		if (!err)
			err = servers_print(&json, &pins);
		json_close(&json, '}');
	}
	for (i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (*fds[i] >= 0)
			(void)close(*fds[i]);
	free(reading.of_cpu);
	return err ? fault_call(fault, err, "reading the counters") : 0;
}
