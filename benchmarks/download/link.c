/* A network link on loopback, for kernels without netem.
 *
 *   link LISTEN_PORT SERVER_PORT RTT_MS LINK_BYTES_S CONNECTION_BYTES_S WINDOW_BYTES STATS_FILE
 *
 * What the server sends is put on the wire piece by piece: each piece takes its time on the
 * connection and on the shared link, arrives half a round trip later, and is acknowledged a
 * whole round trip later. No more than a window is under way; it begins at 25 kB and grows
 * e-fold in a round trip, as for a sender that paces itself; nothing is lost. What the client
 * sends travels half a round trip; the first of it waits for the handshake as well. A rate of 0 is
 * no limit. What this program is late with, for want of a processor, is made up for.
 *
 * STATS_FILE holds two doubles: when the last byte reached a client (CLOCK_MONOTONIC), and how
 * many bytes did.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 128, PIECE = 32 << 10, RING = 8 << 20, PIECES = 4096, REQUEST = 64 << 10 };
static const double AHEAD_S = 0.001, LATE_S = 0.02, FIRST_WINDOW = 25000, GROWTH = 1.718;

struct piece { size_t length; double due; };
struct queue { struct piece items[PIECES]; unsigned head, tail; };

struct connection {
    int client, server, client_is_full, server_has_ended, is_new;
    char *ring, request[REQUEST];
    size_t taken, given, request_length;
    double request_due, window, free_at, ready_at;
    size_t under_way, first_left;
    struct queue wire, acknowledgements;
};

static struct connection *all[CONNECTIONS];
static double rtt, link_rate, connection_rate, widest, link_free_at;
static volatile double *stats;

static double now_s(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static double later(double a, double b) { return a > b ? a : b; }
static size_t least(size_t a, size_t b) { return a < b ? a : b; }
static int is_empty(struct queue *queue) { return queue->head == queue->tail; }
static int is_full(struct queue *queue) { return queue->tail - queue->head == PIECES; }
static struct piece *first(struct queue *queue) { return &queue->items[queue->head % PIECES]; }
static void push(struct queue *queue, size_t length, double due) {
    queue->items[queue->tail++ % PIECES] = (struct piece){length, due};
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void prepare(int socket_) {
    int one = 1;
    fcntl(socket_, F_SETFL, O_NONBLOCK);
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static struct sockaddr_in loopback(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static void open_connection(int client, int server_port) {
    int slot = 0;
    while (slot < CONNECTIONS && all[slot]) slot++;
    if (slot == CONNECTIONS) { close(client); return; }
    struct connection *made = calloc(1, sizeof *made);
    struct sockaddr_in address = loopback(server_port);
    made->ring = malloc(RING);
    made->client = client;
    made->server = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(made->server, (struct sockaddr *)&address, sizeof address)) fail("connect");
    made->window = FIRST_WINDOW;
    made->is_new = 1;
    prepare(client);
    prepare(made->server);
    all[slot] = made;
}

static void close_connection(int slot) {
    struct connection *gone = all[slot];
    close(gone->client);
    close(gone->server);
    free(gone->ring);
    free(gone);
    all[slot] = NULL;
}

/* Returns whether the client is still there. */
static int pass_request(struct connection *one, double now) {
    ssize_t got = recv(one->client, one->request + one->request_length,
                       REQUEST - one->request_length, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN)) return 0;
    if (got > 0) {
        if (!one->request_length) one->request_due = now + rtt * (one->is_new ? 1.5 : 0.5);
        one->is_new = 0;
        one->request_length += got;
    }
    if (one->request_length && now >= one->request_due) {
        ssize_t sent = send(one->server, one->request, one->request_length, 0);
        if (sent > 0) {
            one->ready_at = one->request_due;
            one->request_length -= sent;
            memmove(one->request, one->request + sent, one->request_length);
        }
    }
    return 1;
}

static int may_take(struct connection *one, double now) {
    return !one->server_has_ended && !is_full(&one->wire) && !is_full(&one->acknowledgements) &&
           one->under_way < one->window && one->taken - one->given < RING &&
           one->free_at <= now + AHEAD_S && link_free_at <= now + AHEAD_S;
}

/* Puts one piece on the wire; returns whether there was one. */
static int take(struct connection *one, double now) {
    if (!may_take(one, now)) return 0;
    size_t at = one->taken % RING, most = least(PIECE, RING - at);
    most = least(most, RING - (one->taken - one->given));
    most = least(most, (size_t)(one->window - one->under_way) + 1);
    ssize_t got = recv(one->server, one->ring + at, most, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN)) one->server_has_ended = 1;
    if (got <= 0) return 0;
    double start = later(later(now - LATE_S, one->ready_at), later(one->free_at, link_free_at));
    double end = start;
    if (connection_rate) end = later(end, one->free_at = start + got / connection_rate);
    if (link_rate) end = later(end, link_free_at = start + got / link_rate);
    push(&one->wire, got, end + rtt / 2);
    one->taken += got;
    one->under_way += got;
    return 1;
}

static void deliver(struct connection *one, double now) {
    while (!one->client_is_full && !is_empty(&one->wire) && first(&one->wire)->due <= now) {
        struct piece *piece = first(&one->wire);
        size_t left = one->first_left ? one->first_left : piece->length, at = one->given % RING;
        ssize_t sent = send(one->client, one->ring + at, least(left, RING - at), 0);
        if (sent < 0) { one->client_is_full = errno == EAGAIN; return; }
        one->given += sent;
        stats[0] = now_s();
        stats[1] += sent;
        one->first_left = left - sent;
        if (one->first_left) continue;
        push(&one->acknowledgements, piece->length, later(piece->due, now - LATE_S) + rtt / 2);
        one->wire.head++;
    }
}

static void acknowledge(struct connection *one, double now) {
    while (!is_empty(&one->acknowledgements) && first(&one->acknowledgements)->due <= now) {
        size_t length = first(&one->acknowledgements)->length;
        if (one->under_way >= one->window) one->ready_at = first(&one->acknowledgements)->due;
        one->under_way -= length;
        one->window += GROWTH * length;
        if (one->window > widest) one->window = widest;
        one->acknowledgements.head++;
    }
}

static double sooner(double wake, struct queue *queue) {
    return is_empty(queue) || first(queue)->due > wake ? wake : first(queue)->due;
}

/* Waits for the next piece that is due, or for a socket that can be used. */
static void wait_for_work(int listener, double now) {
    struct pollfd polled[1 + 2 * CONNECTIONS] = {{listener, POLLIN, 0}};
    int count = 1;
    double wake = now + 1;
    for (int slot = 0; slot < CONNECTIONS; slot++) {
        struct connection *one = all[slot];
        if (!one) continue;
        if (!one->client_is_full) wake = sooner(wake, &one->wire);
        wake = sooner(wake, &one->acknowledgements);
        if (one->request_length && one->request_due < wake) wake = one->request_due;
        double free_at = later(one->free_at, link_free_at) - AHEAD_S;
        if (free_at > now && free_at < wake) wake = free_at;
        short asked = POLLIN | (one->client_is_full ? POLLOUT : 0);
        polled[count++] = (struct pollfd){one->client, asked, 0};
        if (may_take(one, now)) polled[count++] = (struct pollfd){one->server, POLLIN, 0};
    }
    double rest = wake > now ? wake - now : 0;
    struct timespec timeout = {(time_t)rest, (long)((rest - (time_t)rest) * 1e9)};
    ppoll(polled, count, &timeout, NULL);
}

int main(int count, char **words) {
    if (count != 8) { fprintf(stderr, "link: seven arguments are needed\n"); return 2; }
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1000);
    rtt = atof(words[3]) / 1e3, link_rate = atof(words[4]), connection_rate = atof(words[5]);
    widest = atof(words[6]);
    int file = open(words[7], O_RDWR | O_CREAT, 0600), one = 1;
    if (file < 0 || ftruncate(file, 2 * sizeof(double))) fail(words[7]);
    stats = mmap(NULL, 2 * sizeof(double), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = loopback(atoi(words[1]));
    if (bind(listener, (struct sockaddr *)&address, sizeof address)) fail("bind");
    if (listen(listener, 256)) fail("listen");
    prepare(listener);
    for (unsigned turn = 0;;) {
        int client, moved = 1;
        while ((client = accept(listener, NULL, NULL)) >= 0) open_connection(client, atoi(words[2]));
        double now = now_s();
        for (int slot = 0; slot < CONNECTIONS; slot++) {
            if (!all[slot]) continue;
            all[slot]->client_is_full = 0;
            acknowledge(all[slot], now);
            if (!pass_request(all[slot], now)) close_connection(slot);
        }
        /* One piece each in turn, going on after who was last: the link is shared evenly. */
        while (moved) {
            moved = 0;
            for (unsigned step = 0, begin = turn; step < CONNECTIONS; step++) {
                unsigned slot = (begin + step) % CONNECTIONS;
                if (!all[slot] || !take(all[slot], now)) continue;
                moved = 1;
                turn = slot + 1;
            }
        }
        for (int slot = 0; slot < CONNECTIONS; slot++) {
            if (!all[slot]) continue;
            deliver(all[slot], now_s());
            if (all[slot]->server_has_ended && is_empty(&all[slot]->wire)) close_connection(slot);
        }
        wait_for_work(listener, now_s());
    }
}
