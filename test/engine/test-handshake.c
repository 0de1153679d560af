// SPDX-License-Identifier: MIT
/* What is said to proxies and what may come back, without a socket. */
#include <arpa/inet.h>

#include "base/base64.h"
#include "check.h"
#include "upstreams/handshake.h"

#define REPLIES 3

/* A string literal may hold zeros. */
#define TEXT(literal) { (const unsigned char *)(literal), sizeof(literal) - 1 }

struct text {
	const unsigned char *bytes;
	size_t length;
};

struct conversation {
	const char *name;
	enum upstream_kind kind;
	bool login;
	struct text reply[REPLIES];
	enum outcome outcome;	/* OUTCOME_OPEN: the tunnel stands */
};

static struct upstream make_upstream(enum upstream_kind kind, bool login)
{
	struct upstream upstream = { .kind = kind };

	if (login) {
		upstream.username = (struct credential){ 4, "user" };
		upstream.password = (struct credential){ 6, "secret" };
	}
	return upstream;
}

static struct endpoint make_endpoint(const char *address, uint16_t port)
{
	struct endpoint endpoint = { .port = port };

	expect(inet_pton(AF_INET6, address, &endpoint.address) == 1);
	return endpoint;
}

/* Sends the message that is due, @chunk bytes at a time. */
static void send_message(struct handshake *handshake, size_t chunk)
{
	unsigned char message[HANDSHAKE_MESSAGE_MOST];
	size_t length, now;

	do {
		expect(handshake->sending);
		length = handshake_message(handshake, message);
		expect(length > handshake->sent && length <= sizeof(message));
		now = length - handshake->sent;
	} while (!handshake_sent(handshake, now < chunk ? now : chunk, length));
}

/* The reply and bytes behind it arrive @chunk at a time; none of those behind may be taken. */
static enum handshake_verdict receive(struct handshake *handshake, const struct text *reply,
				      bool data_behind, size_t chunk)
{
	unsigned char bytes[HANDSHAKE_REPLY_MOST + 64];
	size_t length = reply->length + (data_behind ? 5 : 0), done = 0, taken, now;
	enum handshake_verdict verdict = HANDSHAKE_MORE;

	memcpy(bytes, reply->bytes, reply->length);
	memcpy(bytes + reply->length, "hello", length - reply->length);
	while (verdict == HANDSHAKE_MORE && done < length) {
		now = length - done < chunk ? length - done : chunk;
		verdict = handshake_take(handshake, bytes + done, now, &taken);
		if (verdict == HANDSHAKE_MORE)
			expect_equal(taken, now);
		done += taken;
	}
	if (verdict == HANDSHAKE_DONE)
		expect_equal(done, reply->length);
	return verdict;
}

static void converse(const struct conversation *conversation, size_t chunk)
{
	struct upstream upstream = make_upstream(conversation->kind, conversation->login);
	struct endpoint destination = make_endpoint("::ffff:198.51.100.7", 443);
	enum handshake_verdict verdict = HANDSHAKE_SEND;
	struct handshake handshake;
	int i;

	expect(handshake_begin(&handshake, &upstream, &destination));
	for (i = 0; i < REPLIES && conversation->reply[i].length && verdict == HANDSHAKE_SEND; i++) {
		bool last = i == REPLIES - 1 || !conversation->reply[i + 1].length;

		expect(!handshake_asked(&handshake));
		send_message(&handshake, chunk);
		verdict = receive(&handshake, &conversation->reply[i],
				  last && conversation->outcome == OUTCOME_OPEN, chunk);
	}
	if (verdict != (conversation->outcome == OUTCOME_OPEN ? HANDSHAKE_DONE : HANDSHAKE_FAILED))
		fprintf(stderr, "  in \"%s\", %zu bytes at a time:\n", conversation->name, chunk);
	if (conversation->outcome == OUTCOME_OPEN) {
		expect_equal(verdict, HANDSHAKE_DONE);
		expect(handshake_asked(&handshake));
		return;
	}
	expect_equal(verdict, HANDSHAKE_FAILED);
	expect_equal(handshake.outcome, conversation->outcome);
}

static void converse_all(const struct conversation *conversation)
{
	static const size_t chunks[] = { 1, 2, 3, 7, 10000 };
	size_t i;

	for (; conversation->name; conversation++)
		for (i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++)
			converse(conversation, chunks[i]);
}

#define METHOD_NONE TEXT("\5\0")
#define METHOD_LOGIN TEXT("\5\2")
#define BOUND "\0\1\12\0\0\1\20\222"	/* what follows the code in a reply */

static void socks5_replies(void)
{
	static const struct conversation conversations[] = {
		{ "granted, IPv4", UPSTREAM_SOCKS5, false,
		  { METHOD_NONE, TEXT("\5\0" BOUND) }, OUTCOME_OPEN },
		{ "granted, IPv6", UPSTREAM_SOCKS5, false,
		  { METHOD_NONE, TEXT("\5\0\0\4" "0123456789abcdef" "\0\1") }, OUTCOME_OPEN },
		{ "granted, name", UPSTREAM_SOCKS5, false,
		  { METHOD_NONE, TEXT("\5\0\0\3\4" "host" "\0\1") }, OUTCOME_OPEN },
		{ "granted, empty name", UPSTREAM_SOCKS5, false,
		  { METHOD_NONE, TEXT("\5\0\0\3\0\0\1") }, OUTCOME_OPEN },
		{ "granted, reserved byte used", UPSTREAM_SOCKS5, false,
		  { METHOD_NONE, TEXT("\5\0\1\1\0\0\0\0\0\0") }, OUTCOME_OPEN },
		{ "login", UPSTREAM_SOCKS5, true,
		  { METHOD_LOGIN, TEXT("\1\0"), TEXT("\5\0" BOUND) }, OUTCOME_OPEN },
		{ "no login wanted", UPSTREAM_SOCKS5, true,
		  { METHOD_NONE, TEXT("\5\0" BOUND) }, OUTCOME_OPEN },
		{ "wrong password", UPSTREAM_SOCKS5, true,
		  { METHOD_LOGIN, TEXT("\1\1") }, OUTCOME_UPSTREAM_AUTH },
		{ "login of another version", UPSTREAM_SOCKS5, true,
		  { METHOD_LOGIN, TEXT("\5\0") }, OUTCOME_UPSTREAM_PROTOCOL },
		{ "no method left", UPSTREAM_SOCKS5, false,
		  { TEXT("\5\377") }, OUTCOME_UPSTREAM_AUTH },
		{ "a method that was not offered", UPSTREAM_SOCKS5, false,
		  { METHOD_LOGIN }, OUTCOME_UPSTREAM_PROTOCOL },
		{ "GSSAPI", UPSTREAM_SOCKS5, true,
		  { TEXT("\5\1") }, OUTCOME_UPSTREAM_PROTOCOL },
		{ "another version", UPSTREAM_SOCKS5, false,
		  { TEXT("\4\0") }, OUTCOME_UPSTREAM_PROTOCOL },
		{ "a web server", UPSTREAM_SOCKS5, false,
		  { TEXT("HTTP/1.1 400 Bad Request\r\n\r\n") }, OUTCOME_UPSTREAM_PROTOCOL },
		{ "another version in the answer", UPSTREAM_SOCKS5, false,
		  { METHOD_NONE, TEXT("\4\0" BOUND) }, OUTCOME_UPSTREAM_PROTOCOL },
		{ "an address of no type", UPSTREAM_SOCKS5, false,
		  { METHOD_NONE, TEXT("\5\0\0\2") }, OUTCOME_UPSTREAM_PROTOCOL },
		{ 0 }
	};

	converse_all(conversations);
}

/* Every code there is has an outcome, and none of them opens a tunnel. */
static void socks5_codes(void)
{
	int code;

	for (code = 1; code < 256; code++) {
		char reply[] = { 5, (char)code };
		struct conversation conversation = {
			"a code", UPSTREAM_SOCKS5, false,
			{ METHOD_NONE, { (unsigned char *)reply, sizeof(reply) } },
			code == 5 ? OUTCOME_DESTINATION_REFUSED :
			code == 3 || code == 4 || code == 6 ? OUTCOME_DESTINATION_UNREACHABLE :
			code <= 8 ? OUTCOME_UPSTREAM_REFUSED : OUTCOME_UPSTREAM_PROTOCOL,
		};

		converse(&conversation, 1);
		converse(&conversation, 100);
	}
}

static void socks4_replies(void)
{
	static const struct conversation conversations[] = {
		{ "granted", UPSTREAM_SOCKS4A, false, { TEXT("\0\132abcdef") }, OUTCOME_OPEN },
		{ "granted, with a user", UPSTREAM_SOCKS4A, true, { TEXT("\0\132\0\0\0\0\0\0") },
		  OUTCOME_OPEN },
		{ "refused", UPSTREAM_SOCKS4A, false, { TEXT("\0\133") }, OUTCOME_UPSTREAM_REFUSED },
		{ "no identd", UPSTREAM_SOCKS4A, false, { TEXT("\0\134") }, OUTCOME_UPSTREAM_AUTH },
		{ "another user", UPSTREAM_SOCKS4A, false, { TEXT("\0\135") },
		  OUTCOME_UPSTREAM_AUTH },
		{ "no code", UPSTREAM_SOCKS4A, false, { TEXT("\0\136") },
		  OUTCOME_UPSTREAM_PROTOCOL },
		{ "SOCKS5", UPSTREAM_SOCKS4A, false, { TEXT("\5\0") }, OUTCOME_UPSTREAM_PROTOCOL },
		{ 0 }
	};

	converse_all(conversations);
}

static void http_replies(void)
{
#define HTTP_CASE(reply, outcome) { reply, UPSTREAM_HTTP, true, { TEXT(reply) }, outcome }
	static const struct conversation conversations[] = {
		HTTP_CASE("HTTP/1.1 200 Connection established\r\n\r\n", OUTCOME_OPEN),
		HTTP_CASE("HTTP/1.0 200 OK\r\nServer: x\r\nContent-Length: 9\r\n\r\n", OUTCOME_OPEN),
		HTTP_CASE("HTTP/1.1 204 \r\n\r\n", OUTCOME_OPEN),
		HTTP_CASE("HTTP/1.1 200\r\n\r\n", OUTCOME_OPEN),
		HTTP_CASE("HTTP/1.1 200 OK\nA: b\n\n", OUTCOME_OPEN),
		HTTP_CASE("HTTP/1.1 200 \303\244\r\nA:\tb\r\n\r\n", OUTCOME_OPEN),
		HTTP_CASE("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", OUTCOME_OPEN),
		HTTP_CASE("HTTP/1.1 103 E\r\nLink: x\r\n\r\nHTTP/1.1 407 No\r\n",
			  OUTCOME_UPSTREAM_AUTH),
		HTTP_CASE("HTTP/1.1 407 Proxy Authentication Required\r\n", OUTCOME_UPSTREAM_AUTH),
		HTTP_CASE("HTTP/1.0 401\r\n", OUTCOME_UPSTREAM_AUTH),
		HTTP_CASE("HTTP/1.1 403 Forbidden\r\n", OUTCOME_UPSTREAM_REFUSED),
		HTTP_CASE("HTTP/1.1 302 Found\r\n", OUTCOME_UPSTREAM_REFUSED),
		HTTP_CASE("HTTP/1.1 500 Unable to connect\r\n", OUTCOME_UPSTREAM_REFUSED),
		HTTP_CASE("HTTP/1.1 502 Bad Gateway\r\n", OUTCOME_DESTINATION_UNREACHABLE),
		HTTP_CASE("HTTP/1.1 503 \n", OUTCOME_DESTINATION_UNREACHABLE),
		HTTP_CASE("HTTP/1.1 504 Gateway Timeout\r\n", OUTCOME_DESTINATION_UNREACHABLE),
		HTTP_CASE("HTTP/1.1 101 Switching\r\n", OUTCOME_UPSTREAM_PROTOCOL),
		HTTP_CASE("HTTP/1.1 099 x\r\n", OUTCOME_UPSTREAM_PROTOCOL),
		HTTP_CASE("HTTP/1.1 600 x\r\n", OUTCOME_UPSTREAM_PROTOCOL),
		HTTP_CASE("HTTP/1.1 2000\r\n", OUTCOME_UPSTREAM_PROTOCOL),
		HTTP_CASE("HTTP/1.1  200 OK\r\n", OUTCOME_UPSTREAM_PROTOCOL),
		HTTP_CASE("HTTP/2 200\r\n", OUTCOME_UPSTREAM_PROTOCOL),
		HTTP_CASE("http/1.1 200 OK\r\n", OUTCOME_UPSTREAM_PROTOCOL),
		HTTP_CASE("HTTP/1.1 200 OK\r\r\n", OUTCOME_UPSTREAM_PROTOCOL),
		HTTP_CASE("HTTP/1.1 200 OK\r\n\rX", OUTCOME_UPSTREAM_PROTOCOL),
		HTTP_CASE("HTTP/1.1 200 OK\r\nA: \0\r\n", OUTCOME_UPSTREAM_PROTOCOL),
		HTTP_CASE("\5\0", OUTCOME_UPSTREAM_PROTOCOL),
		{ 0 }
	};

	converse_all(conversations);
}

/* A reply that never ends must not be listened to for ever. */
static void http_reply_is_bounded(void)
{
	struct upstream upstream = make_upstream(UPSTREAM_HTTP, false);
	struct endpoint destination = make_endpoint("::ffff:198.51.100.7", 443);
	const char *start = "HTTP/1.1 200 OK\r\nX: ";
	enum handshake_verdict verdict;
	struct handshake handshake;
	size_t taken, total = strlen(start);

	handshake_begin(&handshake, &upstream, &destination);
	send_message(&handshake, 1000);
	verdict = handshake_take(&handshake, (const unsigned char *)start, total, &taken);
	for (; verdict == HANDSHAKE_MORE && total < 100000; total++) {
		taken = 1000;	/* said in any case */
		verdict = handshake_take(&handshake, (const unsigned char *)"x", 1, &taken);
		expect(taken <= 1);
	}
	expect_equal(verdict, HANDSHAKE_FAILED);
	expect_equal(handshake.outcome, OUTCOME_UPSTREAM_PROTOCOL);
	expect_equal(total, HANDSHAKE_REPLY_MOST + 1);
}

/* Who answers what was not asked yet is no proxy. */
static void answers_in_advance(void)
{
	struct upstream upstream = make_upstream(UPSTREAM_SOCKS5, false);
	struct endpoint destination = make_endpoint("::ffff:198.51.100.7", 443);
	struct handshake handshake;
	size_t taken;

	handshake_begin(&handshake, &upstream, &destination);
	send_message(&handshake, 100);
	expect_equal(handshake_take(&handshake, (const unsigned char *)"\5\0\5\0", 4, &taken),
		     HANDSHAKE_FAILED);
	expect_equal(handshake.outcome, OUTCOME_UPSTREAM_PROTOCOL);
}

static void expect_message(const struct handshake *handshake, const char *wanted, size_t length)
{
	unsigned char message[HANDSHAKE_MESSAGE_MOST];

	expect_equal(handshake_message(handshake, message), length);
	expect(memcmp(message, wanted, length) == 0);
}

#define expect_text(handshake, literal) expect_message(handshake, literal, sizeof(literal) - 1)

static void socks5_messages(void)
{
	struct upstream plain = make_upstream(UPSTREAM_SOCKS5, false);
	struct upstream login = make_upstream(UPSTREAM_SOCKS5, true);
	struct endpoint ipv4 = make_endpoint("::ffff:198.51.100.7", 443);
	struct endpoint ipv6 = make_endpoint("2001:db8::7", 8080);
	struct handshake handshake;

	handshake_begin(&handshake, &plain, &ipv4);
	expect_text(&handshake, "\5\1\0");
	handshake_begin(&handshake, &login, &ipv4);
	expect_text(&handshake, "\5\2\0\2");
	protocol_next(&handshake, 1);
	expect_text(&handshake, "\1\4user\6secret");
	protocol_next(&handshake, 2);
	expect_text(&handshake, "\5\1\0\1\306\63\144\7\1\273");
	handshake.destination = &ipv6;
	expect_text(&handshake, "\5\1\0\4\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\7\37\220");
}

static void socks4_messages(void)
{
	struct upstream plain = make_upstream(UPSTREAM_SOCKS4A, false);
	struct upstream login = make_upstream(UPSTREAM_SOCKS4A, true);
	struct endpoint ipv4 = make_endpoint("::ffff:198.51.100.7", 443);
	struct endpoint ipv6 = make_endpoint("2001:db8::7", 8080);
	struct handshake handshake;

	handshake_begin(&handshake, &plain, &ipv4);
	expect_text(&handshake, "\4\1\1\273\306\63\144\7\0");
	handshake_begin(&handshake, &login, &ipv6);
	expect_text(&handshake, "\4\1\37\220\0\0\0\1user\0" "2001:db8::7\0");
}

static void http_messages(void)
{
	struct upstream plain = make_upstream(UPSTREAM_HTTP, false);
	struct upstream login = make_upstream(UPSTREAM_HTTP, true);
	struct endpoint ipv4 = make_endpoint("::ffff:198.51.100.7", 443);
	struct endpoint ipv6 = make_endpoint("2001:db8::7", 8080);
	struct handshake handshake;

	handshake_begin(&handshake, &plain, &ipv4);
	expect_text(&handshake, "CONNECT 198.51.100.7:443 HTTP/1.1\r\n"
		    "Host: 198.51.100.7:443\r\n\r\n");
	handshake_begin(&handshake, &login, &ipv6);
	expect_text(&handshake, "CONNECT [2001:db8::7]:8080 HTTP/1.1\r\n"
		    "Host: [2001:db8::7]:8080\r\n"
		    "Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n\r\n");
}

/* The longest credentials that RFC 1929 has room for fit everywhere. */
static void longest_credentials(void)
{
	struct endpoint destination = make_endpoint("2001:db8:1111:2222:3333:4444:5555:6666", 65535);
	unsigned char message[HANDSHAKE_MESSAGE_MOST];
	struct handshake handshake;
	int kind, step;

	for (kind = UPSTREAM_SOCKS5; kind < UPSTREAM_KIND_COUNT; kind++) {
		struct upstream upstream = { .kind = kind };

		upstream.username.length = upstream.password.length = 255;
		memset(upstream.username.bytes, 'u', 255);
		memset(upstream.password.bytes, 'p', 255);
		handshake_begin(&handshake, &upstream, &destination);
		for (step = 0; step < 3; step++) {
			size_t length = handshake_message(&handshake, message);

			expect(length > 0 && length < sizeof(message));
			protocol_next(&handshake, (uint8_t)(step + 1));
		}
	}
}

static void direct_says_nothing(void)
{
	struct upstream upstream = make_upstream(UPSTREAM_DIRECT, false);
	struct endpoint destination = make_endpoint("2001:db8::7", 443);
	struct handshake handshake;

	expect(!handshake_begin(&handshake, &upstream, &destination));
}

static void base64_texts(void)
{
	static const char *const pairs[][2] = {
		{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
		{ "\377\376\375", "//79" },
	};
	size_t i;

	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		const char *text = pairs[i][0], *wanted = pairs[i][1];
		char out[16];
		size_t length = base64_encode((const unsigned char *)text, strlen(text), out);

		expect_equal(length, strlen(wanted));
		expect(memcmp(out, wanted, length) == 0);
	}
}

const struct test handshake_tests[] = {
	{ "handshake: SOCKS5 replies, however cut", socks5_replies },
	{ "handshake: every SOCKS5 code", socks5_codes },
	{ "handshake: SOCKS4a replies, however cut", socks4_replies },
	{ "handshake: HTTP replies, however cut", http_replies },
	{ "handshake: an HTTP reply without end", http_reply_is_bounded },
	{ "handshake: answers in advance", answers_in_advance },
	{ "handshake: SOCKS5 messages", socks5_messages },
	{ "handshake: SOCKS4a messages", socks4_messages },
	{ "handshake: HTTP messages", http_messages },
	{ "handshake: the longest credentials", longest_credentials },
	{ "handshake: nothing to say directly", direct_says_nothing },
	{ "handshake: base64", base64_texts },
	{ NULL, NULL }
};
