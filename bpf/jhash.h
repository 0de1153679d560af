/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The kernel's jhash() of whole words (Bob Jenkins' lookup3), which nftables' `jhash` is, too: a flow
 * has one slot in either classifier.
 */
#ifndef SIDETRACK_BPF_JHASH_H
#define SIDETRACK_BPF_JHASH_H

#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#define JHASH_INITIAL 0xdeadbeef
/* Addresses and ports of an IPv6 flow, and what fills the last block of three. */
#define JHASH_WORDS 12

struct jhash_key {
	__u32 length;		/* in words, the rest are zero */
	__u32 word[JHASH_WORDS];
};

static __always_inline __u32 rotate_left_32(__u32 value, __u32 bits)
{
	return value << bits | value >> (32 - bits);
}

struct jhash {
	__u32 a, b, c;
};

static __always_inline void jhash_add(struct jhash *hash, const struct jhash_key *key, __u32 first)
{
	hash->a += key->word[first];
	hash->b += key->word[first + 1];
	hash->c += key->word[first + 2];
}

#define JHASH_STEP(x, y, z, bits) do {					\
	x -= z;								\
	x ^= rotate_left_32(z, bits);					\
	z += y;								\
} while (0)

static __always_inline void jhash_mix(struct jhash *hash)
{
	JHASH_STEP(hash->a, hash->b, hash->c, 4);
	JHASH_STEP(hash->b, hash->c, hash->a, 6);
	JHASH_STEP(hash->c, hash->a, hash->b, 8);
	JHASH_STEP(hash->a, hash->b, hash->c, 16);
	JHASH_STEP(hash->b, hash->c, hash->a, 19);
	JHASH_STEP(hash->c, hash->a, hash->b, 4);
}

#define JHASH_END(x, y, bits) do {					\
	x ^= y;								\
	x -= rotate_left_32(y, bits);					\
} while (0)

static __always_inline void jhash_end(struct jhash *hash)
{
	JHASH_END(hash->c, hash->b, 14);
	JHASH_END(hash->a, hash->c, 11);
	JHASH_END(hash->b, hash->a, 25);
	JHASH_END(hash->c, hash->b, 16);
	JHASH_END(hash->a, hash->c, 4);
	JHASH_END(hash->b, hash->a, 14);
	JHASH_END(hash->c, hash->b, 24);
}

static __always_inline __u32 jhash(const struct jhash_key *key, __u32 seed)
{
	__u32 initial = JHASH_INITIAL + 4 * key->length + seed, i;
	struct jhash hash = { initial, initial, initial };

	/* The last block is not mixed, but ended. */
	for (i = 0; i + 3 < JHASH_WORDS && i + 3 < key->length; i += 3) {
		jhash_add(&hash, key, i);
		jhash_mix(&hash);
	}
	jhash_add(&hash, key, i);
	jhash_end(&hash);
	return hash.c;
}

#endif /* SIDETRACK_BPF_JHASH_H */
