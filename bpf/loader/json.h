/* SPDX-License-Identifier: MIT */
/* Writing JSON, one value after the other. */
#ifndef SIDETRACK_LOADER_JSON_H
#define SIDETRACK_LOADER_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *file;
	bool follows;	/* a comma comes first */
};

void json_open(struct json *json, const char *name, char bracket);
void json_close(struct json *json, char bracket);
void json_text(struct json *json, const char *name, const char *text);
void json_number(struct json *json, const char *name, uint64_t number);
void json_seconds(struct json *json, const char *name, uint64_t ns);
void json_bool(struct json *json, const char *name, bool value);

#endif /* SIDETRACK_LOADER_JSON_H */
