// SPDX-License-Identifier: MIT
/*
 * inject - put frames on a wire exactly as they are written
 *
 *   inject INTERFACE <frames
 *
 * Standard input holds one Ethernet frame a line in hexadecimal, from destination MAC to the last
 * byte before the checksum. Nothing is checked or completed: wrong lengths, wrong checksums and
 * foreign source addresses are what the tests want. Prints the number of frames sent.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_FRAME 2048

/** Length of the frame in @line, or -EINVAL when it is not pairs of hexadecimal digits. */
static int parse_frame(const char *line, unsigned char *frame)
{
	int length = 0;

	for (; *line && *line != '\n'; line += 2) {
		if (length == MAX_FRAME || sscanf(line, "%2hhx", &frame[length]) != 1 || !line[1])
			return -EINVAL;
		length++;
	}
	return length;
}

/** A raw socket bound to @interface, or -errno. */
static int open_interface(const char *interface)
{
	struct sockaddr_ll where = {
		.sll_family = AF_PACKET,
		.sll_ifindex = (int)if_nametoindex(interface),
	};
	int fd;

	if (!where.sll_ifindex)
		return -errno;
	/* Protocol 0: this socket never receives. */
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&where, sizeof(where)) < 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	return fd;
}

/** Sends every line of standard input; the number of frames sent, or -errno. */
static int send_lines(int fd)
{
	char line[2 * MAX_FRAME + 2];
	unsigned char frame[MAX_FRAME];
	int sent = 0;

	while (fgets(line, sizeof(line), stdin)) {
		int length = parse_frame(line, frame);

		if (length < 0)
			return length;
		if (send(fd, frame, (size_t)length, 0) != length)
			return -errno;
		sent++;
	}
	return sent;
}

int main(int argc, char **argv)
{
	int fd, sent;

	if (argc != 2) {
		fprintf(stderr, "usage: inject INTERFACE <frames\n");
		return 2;
	}
	fd = open_interface(argv[1]);
	sent = fd < 0 ? fd : send_lines(fd);
	if (sent < 0) {
		fprintf(stderr, "inject: %s: %s\n", argv[1], strerror(-sent));
		return 1;
	}
	printf("%d\n", sent);
	return 0;
}
