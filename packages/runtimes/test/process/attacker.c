/* What a hostile program tries that a shell cannot. Prints one line: "refused: REASON", or what it got. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

static int result(int value, const char *got) {
  if (value < 0) printf("refused: %s\n", strerror(errno));
  else printf("%s\n", got);
  return 0;
}

static int dial_abstract(const char *name) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  memcpy(address.sun_path + 1, name, strlen(name));
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  return connect(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name)));
}

static int dial(const char *host, int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  inet_pton(AF_INET, host, &address.sin_addr);
  return connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof address);
}

/* A file without a name, filled and kept open. */
static int fill_nameless(long mebibytes) {
  static char block[1 << 20];
  memset(block, 'x', sizeof block);
  for (int file = 0;; file += 1) {
    char name[32];
    snprintf(name, sizeof name, "/tmp/nameless-%d", file);
    int fd = open(name, O_CREAT | O_RDWR, 0600);
    unlink(name);
    for (long at = 0; at < mebibytes; at += 1)
      if (write(fd, block, sizeof block) < 0) return result(-1, "");
    usleep(100000);
  }
}

static int take_memory(void) {
  for (;;) {
    char *block = malloc(1 << 20);
    if (block == NULL) return result(-1, "");
    memset(block, 1, 1 << 20);
  }
}

static int fork_bomb(void) {
  signal(SIGCHLD, SIG_IGN);
  int failures = 0;
  for (long made = 0; failures < 2000; ) {
    pid_t pid = fork();
    if (pid == 0) for (;;) pause();
    if (pid > 0) made += 1;
    else failures += 1;
    if (pid < 0) usleep(1000);
    if (failures == 1) { printf("made %ld\n", made); fflush(stdout); }
  }
  return 0;
}

int main(int count, char **words) {
  const char *what = count > 1 ? words[1] : "";
  if (strcmp(what, "abstract") == 0) return result(dial_abstract(words[2]), "connected");
  if (strcmp(what, "dial") == 0) return result(dial(words[2], atoi(words[3])), "connected");
  if (strcmp(what, "ptrace") == 0) return result((int)ptrace(PTRACE_ATTACH, atoi(words[2]), 0, 0), "attached");
  if (strcmp(what, "signal") == 0) return result(kill(atoi(words[2]), SIGTERM), "sent");
  if (strcmp(what, "namespace") == 0) return result(unshare(CLONE_NEWUSER | CLONE_NEWNS), "a namespace");
  if (strcmp(what, "mount") == 0) return result(mount("none", "/tmp", "tmpfs", 0, NULL), "mounted");
  if (strcmp(what, "remount") == 0) return result(mount(NULL, "/usr", NULL, MS_REMOUNT | MS_BIND, NULL), "writable");
  if (strcmp(what, "device") == 0) return result(mknod("/tmp/disk", S_IFBLK | 0600, makedev(254, 0)), "made");
  if (strcmp(what, "raw") == 0) return result(socket(AF_PACKET, SOCK_RAW, 0), "a raw socket");
  if (strcmp(what, "root") == 0) return result(setuid(0), "root");
  if (strcmp(what, "ids") == 0) return printf("%d %d %d\n", getuid(), geteuid(), getegid()), 0;
  if (strcmp(what, "nameless") == 0) return fill_nameless(atol(words[2]));
  if (strcmp(what, "memory") == 0) return take_memory();
  if (strcmp(what, "fork") == 0) return fork_bomb();
  if (strcmp(what, "link") == 0) return result(link(words[2], words[3]), "linked");
  return 2;
}
