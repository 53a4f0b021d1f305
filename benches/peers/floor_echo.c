/* The floor under an echo: nothing but the system calls that it takes. `scripts/bench echo` compiles it.
 *
 *   floor_echo tcp PORT    epoll_wait, read, write: what many connections in one process cost at least
 *   floor_echo udp PORT    recvfrom, sendto: one datagram after the other
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static char bytes[65536];

static int bound(int type, int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int on = 1, fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || (type == SOCK_STREAM && listen(fd, 4096) < 0)) {
        perror("floor_echo");
        exit(1);
    }
    return fd;
}

static void admit(int set, int door) {
    int on = 1, fd = accept4(door, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = fd};
    epoll_ctl(set, EPOLL_CTL_ADD, fd, &wanted);
}

static void streams(int door) {
    int set = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event wanted = {.events = EPOLLIN, .data.fd = door}, events[256];
    epoll_ctl(set, EPOLL_CTL_ADD, door, &wanted);
    for (;;) {
        int count = epoll_wait(set, events, 256, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == door) {
                admit(set, door);
                continue;
            }
            ssize_t length = read(fd, bytes, sizeof bytes);
            if (length <= 0 || write(fd, bytes, length) != length) close(fd);
        }
    }
}

static void datagrams(int fd) {
    for (;;) {
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        ssize_t length = recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &size);
        if (length >= 0) sendto(fd, bytes, length, 0, (struct sockaddr *)&from, size);
    }
}

int main(int count, char **words) {
    if (count == 3 && !strcmp(words[1], "tcp")) streams(bound(SOCK_STREAM, atoi(words[2])));
    if (count == 3 && !strcmp(words[1], "udp")) datagrams(bound(SOCK_DGRAM, atoi(words[2])));
    fprintf(stderr, "floor_echo tcp|udp PORT\n");
    return 2;
}
