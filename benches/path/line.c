/* A long line between two network namespaces, in user space, for kernels without netem.
 *
 *   line CLIENT SERVER RTT_MS RATE_MBIT LOSS_PERCENT QUEUE_KIB SEED
 *
 * CLIENT and SERVER are namespace files (/run/netns/NAME). In each of them a TUN device named `path` appears; the caller
 * gives it an address. Each direction is one wire: a packet waits for its turn at the given rate in a bounded queue
 * (what does not fit is dropped, as a router does), is lost by chance, and arrives half a round trip after its last bit
 * was sent. Prints `ready` when both devices are there; ends at SIGTERM or SIGINT, and says on standard error what it
 * carried where PATH_COUNTS is set. RATE 0 is no limit.
 *
 * Packets carry a virtio header, so checksums stay undone on the way and, on a path without loss, segments of up to
 * 64 KiB pass whole: one read and one write for 45 frames. On a path with loss the kernel is asked for single frames,
 * so that chance falls on each frame alone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
    LARGEST = sizeof(struct virtio_net_hdr) + 65536, /* what one read can bring */
    FRAME = 1500,                                    /* the devices' MTU */
    BATCH = 64,                                      /* reads of one side before the other has its turn */
    NAP = 50 * 1000,                                 /* ns; waking for each frame alone would cost a core */
};

/* A packet on its way. It lies in the ring with its bytes behind it; a length of 0 says "go on at the ring's start". */
struct transit {
    uint64_t due; /* ns */
    uint64_t length;
};

struct wire {
    const char *name;
    int from, to;
    uint8_t *ring;
    size_t size, oldest, next; /* empty where oldest == next */
    uint64_t idle_at;          /* ns; when the last bit accepted will have been sent */
    uint64_t packets, bytes, lost, overflowed, refused;
};

static uint64_t delay_ns, rate_bits, queue_bytes, dice;
static double loss;
static volatile sig_atomic_t stop;

static void on_signal(int signal) { (void)signal, stop = 1; }

static void die(const char *what)
{
    fprintf(stderr, "line: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* True with the probability `loss`. The generator is splitmix64. */
static int unlucky(void)
{
    uint64_t z = dice += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53 < loss;
}

static int open_end(const char *namespace)
{
    int place = open(namespace, O_RDONLY | O_CLOEXEC);
    if (place < 0 || setns(place, CLONE_NEWNET) != 0)
        die(namespace);
    close(place);
    int end = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (end < 0)
        die("/dev/net/tun");
    struct ifreq request = {.ifr_name = "path", .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
    if (ioctl(end, TUNSETIFF, &request) != 0)
        die("a TUN device");
    unsigned offload = TUN_F_CSUM;
    if (loss == 0)
        offload |= TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    if (ioctl(end, TUNSETOFFLOAD, offload) != 0)
        die("offloading");
    return end;
}

static struct transit *at(struct wire *wire, size_t place) { return (struct transit *)(wire->ring + place); }

/* Makes room for the largest packet in one piece behind the newest; 0 where there is none now. */
static int make_room(struct wire *wire)
{
    size_t need = sizeof(struct transit) * 3 + LARGEST; /* with a mark behind it, and rounding */
    if (wire->oldest == wire->next)
        wire->oldest = wire->next = 0;
    if (wire->oldest > wire->next)
        return wire->oldest - wire->next > need;
    if (wire->size - wire->next > need)
        return 1;
    if (wire->oldest <= need)
        return 0;
    at(wire, wire->next)->length = 0;
    wire->next = 0;
    return 1;
}

/* Bytes on the wire: a large segment goes as frames that each repeat its headers. */
static uint64_t wire_bytes(const struct virtio_net_hdr *header, uint64_t packet)
{
    if (header->gso_type == VIRTIO_NET_HDR_GSO_NONE || header->gso_size == 0 || packet <= FRAME)
        return packet;
    uint64_t frames = (packet - header->hdr_len + header->gso_size - 1) / header->gso_size;
    return packet + (frames - 1) * header->hdr_len;
}

/* Takes one packet from its sender; 0 where there is none. */
static int take(struct wire *wire)
{
    if (!make_room(wire))
        return 0;
    struct transit *transit = at(wire, wire->next);
    uint8_t *packet = (uint8_t *)(transit + 1);
    ssize_t got = read(wire->from, packet, LARGEST);
    if (got < (ssize_t)sizeof(struct virtio_net_hdr))
        return 0;
    uint64_t now = now_ns(), length = (uint64_t)got;
    uint64_t sent = wire_bytes((struct virtio_net_hdr *)packet, length - sizeof(struct virtio_net_hdr));
    uint64_t start = wire->idle_at > now ? wire->idle_at : now;
    if (rate_bits > 0) {
        uint64_t waiting = (start - now) / 8 * rate_bits / 1000000000u;
        if (waiting + sent > queue_bytes)
            return wire->overflowed++, 1;
        wire->idle_at = start + sent * 8 * 1000000000u / rate_bits;
    } else {
        wire->idle_at = start;
    }
    /* A frame that is lost was sent all the same. */
    if (loss > 0 && unlucky())
        return wire->lost++, 1;
    wire->packets++;
    wire->bytes += sent;
    transit->due = wire->idle_at + delay_ns;
    transit->length = length;
    wire->next += sizeof *transit + (length + 15) / 16 * 16;
    return 1;
}

/* Hands over all that has arrived; returns when the next packet is due, or UINT64_MAX. */
static uint64_t deliver(struct wire *wire, uint64_t now)
{
    while (wire->oldest != wire->next) {
        struct transit *transit = at(wire, wire->oldest);
        if (transit->length == 0) {
            wire->oldest = 0;
            continue;
        }
        if (transit->due > now)
            return transit->due;
        if (write(wire->to, transit + 1, transit->length) < 0)
            wire->refused++;
        wire->oldest += sizeof *transit + (transit->length + 15) / 16 * 16;
    }
    return UINT64_MAX;
}

static void carry(struct wire wires[2])
{
    while (!stop) {
        int busy = 0;
        uint64_t next = UINT64_MAX;
        for (int i = 0; i < 2; i++) {
            int taken = 0;
            while (taken < BATCH && take(&wires[i]))
                taken++;
            busy |= taken == BATCH;
        }
        uint64_t now = now_ns();
        for (int i = 0; i < 2; i++) {
            uint64_t due = deliver(&wires[i], now);
            next = due < next ? due : next;
        }
        if (busy)
            continue;
        struct pollfd ends[2];
        for (int i = 0; i < 2; i++)
            ends[i] = (struct pollfd){.fd = wires[i].from, .events = make_room(&wires[i]) ? POLLIN : 0};
        uint64_t wait = next == UINT64_MAX ? 1000000000u : next - now;
        wait = wait < NAP ? NAP : wait;
        struct timespec rest = {.tv_sec = (time_t)(wait / 1000000000u), .tv_nsec = (long)(wait % 1000000000u)};
        ppoll(ends, 2, &rest, NULL);
    }
}

int main(int argc, char **argv)
{
    if (argc != 8) {
        fprintf(stderr, "usage: line CLIENT SERVER RTT_MS RATE_MBIT LOSS_PERCENT QUEUE_KIB SEED\n");
        return 2;
    }
    delay_ns = (uint64_t)(atof(argv[3]) * 1e6 / 2);
    rate_bits = (uint64_t)(atof(argv[4]) * 1e6);
    loss = atof(argv[5]) / 100;
    queue_bytes = strtoull(argv[6], NULL, 10) * 1024;
    dice = strtoull(argv[7], NULL, 10);
    prctl(PR_SET_TIMERSLACK, 1);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);

    int client = open_end(argv[1]), server = open_end(argv[2]);
    /* All that can be on the wire at a time, and as much again for the headers beside small packets. */
    uint64_t full = rate_bits > 0 ? queue_bytes + rate_bits / 8 * delay_ns / 1000000000u : 64u << 20;
    size_t size = full * 2 + 8 * LARGEST;
    struct wire wires[2] = {{.name = "up", .from = client, .to = server, .size = size},
                            {.name = "down", .from = server, .to = client, .size = size}};
    for (int i = 0; i < 2; i++)
        if ((wires[i].ring = malloc(size)) == NULL)
            die("memory");
    puts("ready");
    fflush(stdout);
    carry(wires);
    for (int i = 0; i < 2 && getenv("PATH_COUNTS") != NULL; i++)
        fprintf(stderr, "%s: %llu packets, %llu bytes, %llu lost, %llu overflowed, %llu refused\n", wires[i].name,
                (unsigned long long)wires[i].packets, (unsigned long long)wires[i].bytes,
                (unsigned long long)wires[i].lost, (unsigned long long)wires[i].overflowed,
                (unsigned long long)wires[i].refused);
    return 0;
}
