/* SPDX-License-Identifier: MIT */
/* What must hold of the engine at every moment, and at the end. */
#ifndef INVARIANT_H
#define INVARIANT_H

#include "connection/connection.h"
#include "kernel.h"
#include "relay/relay.h"
#include "thread/probe.h"

void invariant_begin(struct relay *relay);
void invariant_step(void);
void invariant_settled(void);
void invariant_end(void);

/* Return: the connection one of whose legs it is, or NULL */
struct connection *connection_of(const struct file *file);
struct probe *probe_of(const struct file *file);
struct file *leg_file(const struct connection *connection, int side);

/* asking.c: what may be said to a proxy, and who hears the client's first bytes */
void asking_said(struct file *sink, const struct establish *establish,
		 const unsigned char *bytes, uint64_t length);
void question_said(struct file *sink, const struct establish *establish,
		   const unsigned char *bytes, uint64_t length);
void asking_left(const struct file *file, const struct connection *connection);
uint64_t asking_granted(struct file *file, const struct establish *establish);

#endif /* INVARIANT_H */
