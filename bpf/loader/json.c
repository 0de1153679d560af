// SPDX-License-Identifier: MIT
#include "json.h"

#include <inttypes.h>

static void quoted(FILE *file, const char *text)
{
	(void)fputc('"', file);
	for (; *text; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte == '"' || byte == '\\')
			(void)fprintf(file, "\\%c", byte);
		else if (byte < 0x20 || byte == 0x7f)
			(void)fprintf(file, "\\u%04x", byte);
		else
			(void)fputc(byte, file);
	}
	(void)fputc('"', file);
}

/* @name: NULL in a list */
static void begin(struct json *json, const char *name)
{
	if (json->follows)
		(void)fputc(',', json->file);
	json->follows = true;
	if (!name)
		return;
	quoted(json->file, name);
	(void)fputc(':', json->file);
}

void json_open(struct json *json, const char *name, char bracket)
{
	begin(json, name);
	(void)fputc(bracket, json->file);
	json->follows = false;
}

void json_close(struct json *json, char bracket)
{
	(void)fputc(bracket, json->file);
	json->follows = true;
}

void json_text(struct json *json, const char *name, const char *text)
{
	begin(json, name);
	quoted(json->file, text);
}

void json_number(struct json *json, const char *name, uint64_t number)
{
	begin(json, name);
	(void)fprintf(json->file, "%" PRIu64, number);
}

void json_seconds(struct json *json, const char *name, uint64_t ns)
{
	begin(json, name);
	(void)fprintf(json->file, "%" PRIu64 ".%09" PRIu64, ns / 1000000000, ns % 1000000000);
}

void json_bool(struct json *json, const char *name, bool value)
{
	begin(json, name);
	(void)fputs(value ? "true" : "false", json->file);
}
