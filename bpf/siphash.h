/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* SipHash-2-4 (Aumasson, Bernstein 2012) of 32 bytes. */
#ifndef SIDETRACK_BPF_SIPHASH_H
#define SIDETRACK_BPF_SIPHASH_H

#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#define SIPHASH_WORDS 4

struct siphash_message {
	__u64 word[SIPHASH_WORDS];	/* as they lie there, the lowest byte first */
};

struct siphash {
	__u64 a, b, c, d;
};

static __always_inline __u64 rotate_left(__u64 value, __u32 bits)
{
	return value << bits | value >> (64 - bits);
}

static __always_inline void siphash_round(struct siphash *hash)
{
	hash->a += hash->b;
	hash->c += hash->d;
	hash->b = rotate_left(hash->b, 13) ^ hash->a;
	hash->d = rotate_left(hash->d, 16) ^ hash->c;
	hash->a = rotate_left(hash->a, 32);
	hash->c += hash->b;
	hash->a += hash->d;
	hash->b = rotate_left(hash->b, 17) ^ hash->c;
	hash->d = rotate_left(hash->d, 21) ^ hash->a;
	hash->c = rotate_left(hash->c, 32);
}

static __always_inline void siphash_add(struct siphash *hash, __u64 word)
{
	hash->d ^= word;
	siphash_round(hash);
	siphash_round(hash);
	hash->a ^= word;
}

/* Not static: the verifier reads it once. */
__noinline __u64 siphash(const struct siphash_message *message, __u64 key0, __u64 key1)
{
	struct siphash hash = {
		key0 ^ 0x736f6d6570736575ull,
		key1 ^ 0x646f72616e646f6dull,
		key0 ^ 0x6c7967656e657261ull,
		key1 ^ 0x7465646279746573ull,
	};
	__u32 i;

	if (!message)
		return 0;
	for (i = 0; i < SIPHASH_WORDS; i++)
		siphash_add(&hash, message->word[i]);
	/* The highest byte of the last word is the message's length. */
	siphash_add(&hash, (__u64)sizeof(*message) << 56);
	hash.c ^= 0xff;
	for (i = 0; i < 4; i++)
		siphash_round(&hash);
	return hash.a ^ hash.b ^ hash.c ^ hash.d;
}

#endif /* SIDETRACK_BPF_SIPHASH_H */
