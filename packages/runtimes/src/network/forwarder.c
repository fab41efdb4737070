/*
 * The only way in and out of a sandbox whose network namespace has nothing but loopback.
 *
 *     forwarder [--socket PATH] [--port NUMBER]                      beside a program that something else starts
 *     forwarder [--socket PATH] [--port NUMBER] -- COMMAND ARG...    as its parent: bubblewrap, containers
 *
 * It dials out to one Unix socket of the agent and never listens on one, so the agent never opens a path that the
 * sandbox could have replaced. The first byte of each connection tells its kind:
 *
 *     'E'                              egress: what came to 127.0.0.1:3128 inside, relayed to the agent's HTTP proxy
 *     'C'                              control: kept open, dialled again when it breaks; the agent sends frames
 *     'D' id(4) status(1) bytes...     answers a control frame; status 0 is success, otherwise an errno
 *     'X' errno(1)                     COMMAND could not be started; this program ends once the agent has closed it
 *
 * Control frames, numbers in network order:
 *
 *     'O' id(4) port(2)                           open 127.0.0.1:port and relay it over a connection 'D'
 *     'R' id(4) timeout-ms(4) length(4) bytes     run a command, its words each ended by NUL; answered by 'D' with
 *                                                 ended(1: 0 exited, 1 killed) code(1) output(up to 4 KiB)
 *
 * As a parent it passes signals on to the program and ends with its exit code (128 + N for signal N). One thread, one
 * poll loop, no allocation after the start. It trusts nobody: the program inside has the same rights as it has.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Connections at a time; with their buffers 4 MiB, of which only what is used is ever touched. */
#define PAIRS 128
#define BUFFER_BYTES 16384
#define COMMANDS 8
#define OUTPUT_BYTES 4096
/* A control frame: a command with its arguments. */
#define FRAME_BYTES 65536
#define COMMAND_WORDS 1024
#define DIAL_MILLISECONDS 5000
#define REDIAL_MILLISECONDS 100
/* The end of the program must not be known before its reason. */
#define START_FAILURE_MILLISECONDS 5000
/* After the program has ended: what is left to send gets this long. */
#define FLUSH_MILLISECONDS 100
#define IDLE_MILLISECONDS 60000

struct buffer {
  unsigned char data[BUFFER_BYTES];
  size_t start, end;
  bool source_ended, passed_on;
};

struct pair {
  bool used;
  /* The local end has not answered yet; `agent` is not dialled. */
  bool connecting;
  uint32_t id;
  int64_t deadline;
  int local, agent;
  struct buffer to_agent, to_local;
};

struct command {
  pid_t pid;
  bool ended, timed_out;
  int status, output;
  uint32_t id;
  int64_t deadline;
  unsigned char text[OUTPUT_BYTES];
  size_t length;
};

static struct pair pairs[PAIRS];
static struct command commands[COMMANDS];
static unsigned char frames[FRAME_BYTES + 16];
static size_t frames_length;
static const char *socket_path = "/.fog/agent.sock";
static int control = -1, listener = -1, signals = -1;
static int64_t redial_at;
static pid_t program = -1;
static bool program_ended;
static int program_code;
static sigset_t original_mask;

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static int dial_agent(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(socket_path) >= sizeof address.sun_path) return -1;
  strcpy(address.sun_path, socket_path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  /* A Unix socket connects at once or not at all: EAGAIN means that the agent's queue is full. */
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) close_fd(&fd);
  return fd;
}

static void put32(unsigned char *at, uint32_t value) {
  value = htonl(value);
  memcpy(at, &value, 4);
}

static uint32_t get32(const unsigned char *at) {
  uint32_t value;
  memcpy(&value, at, 4);
  return ntohl(value);
}

static void answer_header(unsigned char *at, uint32_t id, int status) {
  at[0] = 'D';
  put32(at + 1, id);
  at[5] = (unsigned char)(status > 255 ? 255 : status);
}

/* A short message on a connection of its own; it fits into the socket's buffer or is lost. */
/* Waits for so long until the agent has taken it and closed the connection. */
static void tell_for(const unsigned char *message, size_t length, int milliseconds) {
  int fd = dial_agent();
  if (fd < 0) return;
  struct pollfd closed = {.fd = fd, .events = POLLIN};
  if (send(fd, message, length, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)length && milliseconds > 0)
    poll(&closed, 1, milliseconds);
  close_fd(&fd);
}

static void tell(const unsigned char *message, size_t length) { tell_for(message, length, 0); }

static void refuse(uint32_t id, int status) {
  unsigned char header[6];
  answer_header(header, id, status);
  tell(header, sizeof header);
}

static void end_pair(struct pair *pair) {
  close_fd(&pair->local);
  close_fd(&pair->agent);
  pair->used = false;
}

static struct pair *free_pair(void) {
  for (int index = 0; index < PAIRS; index += 1) {
    struct pair *pair = &pairs[index];
    if (pair->used) continue;
    pair->used = true;
    pair->connecting = false;
    pair->local = pair->agent = -1;
    pair->to_agent.start = pair->to_agent.end = pair->to_local.start = pair->to_local.end = 0;
    pair->to_agent.source_ended = pair->to_agent.passed_on = false;
    pair->to_local.source_ended = pair->to_local.passed_on = false;
    return pair;
  }
  return NULL;
}

static void accept_egress(void) {
  int local = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (local < 0) return;
  struct pair *pair = free_pair();
  if (pair == NULL) {
    close(local);
    return;
  }
  pair->local = local;
  pair->agent = dial_agent();
  if (pair->agent < 0) {
    end_pair(pair);
    return;
  }
  pair->to_agent.data[0] = 'E';
  pair->to_agent.end = 1;
}

/* The local connection stands: dial the agent, with the header first. */
static void opened(struct pair *pair) {
  pair->connecting = false;
  pair->agent = dial_agent();
  if (pair->agent < 0) {
    end_pair(pair);
    return;
  }
  int on = 1;
  setsockopt(pair->local, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  answer_header(pair->to_agent.data, pair->id, 0);
  pair->to_agent.end = 6;
}

static void open_port(uint32_t id, uint16_t port) {
  struct pair *pair = free_pair();
  if (pair == NULL) {
    refuse(id, EMFILE);
    return;
  }
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  pair->id = id;
  pair->deadline = now() + DIAL_MILLISECONDS;
  pair->local = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (pair->local >= 0 && connect(pair->local, (struct sockaddr *)&address, sizeof address) == 0) {
    opened(pair);
  } else if (pair->local >= 0 && errno == EINPROGRESS) {
    pair->connecting = true;
  } else {
    refuse(id, errno);
    end_pair(pair);
  }
}

static void finish_connecting(struct pair *pair, bool ready) {
  int error = 0;
  socklen_t length = sizeof error;
  if (!ready) error = ETIMEDOUT;
  else if (getsockopt(pair->local, SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  if (error == 0) {
    opened(pair);
    return;
  }
  refuse(pair->id, error);
  end_pair(pair);
}

static void restore_signals(void) {
  signal(SIGPIPE, SIG_DFL);
  sigprocmask(SIG_SETMASK, &original_mask, NULL);
}

/* `words` holds `length` bytes, the last of them NUL. */
static void run_command(uint32_t id, uint32_t timeout, const unsigned char *words, uint32_t length) {
  struct command *command = NULL;
  for (int index = 0; index < COMMANDS && command == NULL; index += 1)
    if (commands[index].pid <= 0) command = &commands[index];
  int ends[2];
  if (command == NULL || pipe2(ends, O_CLOEXEC) != 0) {
    refuse(id, EMFILE);
    return;
  }
  static char *arguments[COMMAND_WORDS + 1];
  size_t count = 0;
  for (uint32_t at = 0; at < length && count < COMMAND_WORDS; at += (uint32_t)strlen((const char *)words + at) + 1)
    arguments[count++] = (char *)(uintptr_t)(words + at);
  arguments[count] = NULL;
  pid_t pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
    int null = open("/dev/null", O_RDONLY);
    if (null >= 0) dup2(null, 0);
    dup2(ends[1], 1);
    dup2(ends[1], 2);
    restore_signals();
    execvp(arguments[0], arguments);
    dprintf(2, "%s: %s\n", arguments[0], strerror(errno));
    _exit(errno == ENOENT ? 127 : 126);
  }
  close(ends[1]);
  if (pid < 0) {
    close(ends[0]);
    refuse(id, EAGAIN);
    return;
  }
  setpgid(pid, pid);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  command->pid = pid;
  command->ended = command->timed_out = false;
  command->output = ends[0];
  command->id = id;
  command->length = 0;
  command->deadline = now() + timeout;
}

static void read_output(struct command *command) {
  for (;;) {
    unsigned char spill[4096];
    size_t room = sizeof command->text - command->length;
    unsigned char *target = room > 0 ? command->text + command->length : spill;
    ssize_t got = read(command->output, target, room > 0 ? room : sizeof spill);
    if (got > 0 && room > 0) command->length += (size_t)got;
    if (got > 0) {
      /* A command that never stops writing must not keep the loop from its other work. */
      if (room == 0) return;
      continue;
    }
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) close_fd(&command->output);
    return;
  }
}

static void finish_command(struct command *command) {
  if (command->output >= 0) read_output(command);
  close_fd(&command->output);
  /* Whatever it started and left behind. */
  kill(-command->pid, SIGKILL);
  command->pid = 0;
  unsigned char message[6 + 2 + OUTPUT_BYTES];
  answer_header(message, command->id, 0);
  bool killed = command->timed_out || !WIFEXITED(command->status);
  message[6] = killed ? 1 : 0;
  message[7] = (unsigned char)(killed ? 0 : WEXITSTATUS(command->status));
  memcpy(message + 8, command->text, command->length);
  tell(message, 8 + command->length);
}

static void reap_children(void) {
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    if (pid == program) {
      program_ended = true;
      program_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    for (int index = 0; index < COMMANDS; index += 1) {
      if (commands[index].pid != pid) continue;
      commands[index].ended = true;
      commands[index].status = status;
    }
  }
}

static void read_signals(void) {
  struct signalfd_siginfo info;
  while (read(signals, &info, sizeof info) == (ssize_t)sizeof info) {
    if (info.ssi_signo == SIGCHLD) reap_children();
    else if (program > 0 && !program_ended) kill(program, (int)info.ssi_signo);
    else if (program < 0 && (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)) exit(0);
  }
}

static void drop_control(void) {
  close_fd(&control);
  frames_length = 0;
  redial_at = now() + REDIAL_MILLISECONDS;
}

/* Bytes of the first frame; 0 when it is not complete, -1 when it is none. */
static ssize_t handle_frame(void) {
  if (frames_length < 1) return 0;
  if (frames[0] == 'O') {
    if (frames_length < 7) return 0;
    open_port(get32(frames + 1), (uint16_t)(frames[5] << 8 | frames[6]));
    return 7;
  }
  if (frames[0] != 'R') return -1;
  if (frames_length < 13) return 0;
  uint32_t length = get32(frames + 9);
  if (length < 2 || length > FRAME_BYTES) return -1;
  if (frames_length < 13 + (size_t)length) return 0;
  if (frames[13] == '\0' || frames[13 + length - 1] != '\0') return -1;
  run_command(get32(frames + 1), get32(frames + 5), frames + 13, length);
  return 13 + (ssize_t)length;
}

static void read_control(void) {
  ssize_t got = recv(control, frames + frames_length, sizeof frames - frames_length, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    drop_control();
    return;
  }
  frames_length += (size_t)got;
  ssize_t used;
  while ((used = handle_frame()) > 0) {
    frames_length -= (size_t)used;
    memmove(frames, frames + used, frames_length);
  }
  if (used < 0) drop_control();
}

static void dial_control(void) {
  control = dial_agent();
  if (control < 0 || send(control, "C", 1, MSG_NOSIGNAL) != 1) drop_control();
}

static bool would_block(void) { return errno == EAGAIN || errno == EINTR; }

/* False when the connection is broken. */
static bool fill(int source, struct buffer *buffer) {
  ssize_t got = recv(source, buffer->data, sizeof buffer->data, 0);
  if (got > 0) {
    buffer->start = 0;
    buffer->end = (size_t)got;
  } else if (got == 0) {
    buffer->source_ended = true;
  } else if (!would_block()) {
    return false;
  }
  return true;
}

static bool drain(int target, struct buffer *buffer) {
  if (buffer->end > buffer->start) {
    ssize_t sent = send(target, buffer->data + buffer->start, buffer->end - buffer->start, MSG_NOSIGNAL);
    if (sent < 0) return would_block();
    buffer->start += (size_t)sent;
    if (buffer->start == buffer->end) buffer->start = buffer->end = 0;
  }
  /* Half-closed: the other direction goes on. */
  if (buffer->end == 0 && buffer->source_ended && !buffer->passed_on) {
    buffer->passed_on = true;
    shutdown(target, SHUT_WR);
  }
  return true;
}

static short wanted(const struct buffer *incoming, const struct buffer *outgoing) {
  short events = 0;
  if (incoming->end == 0 && !incoming->source_ended) events |= POLLIN;
  if (outgoing->end > 0) events |= POLLOUT;
  return events;
}

static void relay(struct pair *pair, short local, short agent) {
  bool sound = !((local | agent) & POLLNVAL);
  /* A hang-up with nothing more to read ends both directions; data that is still there is read first. */
  if (sound && (local & (POLLIN | POLLHUP | POLLERR)) && pair->to_agent.end == 0 && !pair->to_agent.source_ended)
    sound = fill(pair->local, &pair->to_agent);
  if (sound && (agent & (POLLIN | POLLHUP | POLLERR)) && pair->to_local.end == 0 && !pair->to_local.source_ended)
    sound = fill(pair->agent, &pair->to_local);
  if (sound) sound = drain(pair->agent, &pair->to_agent) && drain(pair->local, &pair->to_local);
  /* What can no longer be delivered must not be polled for ever. */
  if (sound && (agent & POLLERR || (agent & POLLHUP && pair->to_agent.end > 0 && pair->to_local.source_ended))) sound = false;
  if (sound && (local & POLLERR || (local & POLLHUP && pair->to_local.end > 0 && pair->to_agent.source_ended))) sound = false;
  if (!sound || (pair->to_agent.passed_on && pair->to_local.passed_on)) end_pair(pair);
}

static int listen_egress(uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int on = 1;
  if (fd < 0) return -1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 64) != 0) close_fd(&fd);
  return fd;
}

static void watch_signals(void) {
  static const int passed[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};
  sigset_t mask;
  sigemptyset(&mask);
  for (size_t index = 0; index < sizeof passed / sizeof *passed; index += 1) sigaddset(&mask, passed[index]);
  sigprocmask(SIG_BLOCK, &mask, &original_mask);
  signal(SIGPIPE, SIG_IGN);
  signals = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void start_program(char **arguments) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) exit(126);
  program = fork();
  if (program == 0) {
    restore_signals();
    execvp(arguments[0], arguments);
    unsigned char error = (unsigned char)errno;
    ssize_t told = write(ends[1], &error, 1);
    (void)told;
    _exit(127);
  }
  close(ends[1]);
  unsigned char message[2] = {'X', EAGAIN};
  ssize_t got = 1;
  if (program > 0) do got = read(ends[0], message + 1, 1);
    while (got < 0 && errno == EINTR);
  close(ends[0]);
  if (got != 1) return;
  tell_for(message, sizeof message, START_FAILURE_MILLISECONDS);
  exit(127);
}

static bool has_pending(void) {
  for (int index = 0; index < PAIRS; index += 1)
    if (pairs[index].used && (pairs[index].to_agent.end > 0 || pairs[index].to_local.end > 0)) return true;
  return false;
}

static int64_t next_deadline(int64_t until) {
  if (control < 0 && redial_at < until) until = redial_at;
  for (int index = 0; index < PAIRS; index += 1)
    if (pairs[index].used && pairs[index].connecting && pairs[index].deadline < until) until = pairs[index].deadline;
  for (int index = 0; index < COMMANDS; index += 1)
    if (commands[index].pid > 0 && commands[index].deadline < until) until = commands[index].deadline;
  return until;
}

static struct pollfd polled[3 + COMMANDS + 2 * PAIRS];

static void prepare_poll(void) {
  bool has_room = false;
  for (int index = 0; index < PAIRS; index += 1) {
    struct pair *pair = &pairs[index];
    struct pollfd *local = &polled[3 + COMMANDS + 2 * index], *agent = local + 1;
    *local = *agent = (struct pollfd){.fd = -1};
    if (!pair->used) {
      has_room = true;
    } else if (pair->connecting) {
      *local = (struct pollfd){.fd = pair->local, .events = POLLOUT};
    } else {
      short on_local = wanted(&pair->to_agent, &pair->to_local), on_agent = wanted(&pair->to_local, &pair->to_agent);
      /* POLLHUP is reported unasked; an end that nothing is wanted of is left out, or the loop would spin. */
      if (on_local != 0) *local = (struct pollfd){.fd = pair->local, .events = on_local};
      if (on_agent != 0) *agent = (struct pollfd){.fd = pair->agent, .events = on_agent};
    }
  }
  for (int index = 0; index < COMMANDS; index += 1) {
    struct command *command = &commands[index];
    polled[3 + index] = (struct pollfd){.fd = command->pid > 0 ? command->output : -1, .events = POLLIN};
  }
  polled[0] = (struct pollfd){.fd = signals, .events = POLLIN};
  polled[1] = (struct pollfd){.fd = control, .events = POLLIN};
  polled[2] = (struct pollfd){.fd = has_room ? listener : -1, .events = POLLIN};
}

static void handle_poll(void) {
  int64_t time = now();
  for (int index = 0; index < PAIRS; index += 1) {
    struct pair *pair = &pairs[index];
    short local = polled[3 + COMMANDS + 2 * index].revents, agent = polled[4 + COMMANDS + 2 * index].revents;
    if (!pair->used) continue;
    if (pair->connecting) {
      if (local != 0 || time >= pair->deadline) finish_connecting(pair, local != 0);
    } else if (local != 0 || agent != 0) {
      relay(pair, local, agent);
    }
  }
  for (int index = 0; index < COMMANDS; index += 1) {
    struct command *command = &commands[index];
    if (command->pid <= 0) continue;
    if (polled[3 + index].revents != 0 && command->output >= 0) read_output(command);
    if (!command->ended && !command->timed_out && time >= command->deadline) {
      command->timed_out = true;
      kill(-command->pid, SIGKILL);
    }
  }
  if (polled[0].revents != 0) read_signals();
  for (int index = 0; index < COMMANDS; index += 1)
    if (commands[index].pid > 0 && commands[index].ended) finish_command(&commands[index]);
  /* Last, for these take pairs that were not polled in this round. */
  if (polled[1].revents != 0 && control >= 0) read_control();
  if (polled[2].revents != 0) accept_egress();
}

int main(int count, char **arguments) {
  int port = 3128, at = 1;
  for (; at + 1 < count && strcmp(arguments[at], "--") != 0; at += 2) {
    if (strcmp(arguments[at], "--socket") == 0) socket_path = arguments[at + 1];
    else if (strcmp(arguments[at], "--port") == 0) port = atoi(arguments[at + 1]);
    else break;
  }
  bool is_parent = at + 1 < count && strcmp(arguments[at], "--") == 0;
  if ((!is_parent && at != count) || port < 1 || port > 65535) {
    fprintf(stderr, "usage: forwarder [--socket PATH] [--port NUMBER] [-- COMMAND ARG...]\n");
    return 2;
  }
  watch_signals();
  listener = listen_egress((uint16_t)port);
  dial_control();
  if (is_parent) start_program(arguments + at + 1);
  /* Its memory is no business of the program; after the fork, for the flag is inherited until exec. */
  prctl(PR_SET_DUMPABLE, 0);
  int64_t ends_at = 0;
  for (;;) {
    int64_t time = now();
    if (program_ended && ends_at == 0) ends_at = time + FLUSH_MILLISECONDS;
    if (program_ended && time >= ends_at) return program_code;
    if (control < 0 && time >= redial_at) dial_control();
    prepare_poll();
    int64_t until = next_deadline(time + IDLE_MILLISECONDS);
    int wait = program_ended || until <= time ? 0 : (int)(until - time);
    int ready = poll(polled, sizeof polled / sizeof *polled, wait);
    if (ready < 0 && errno != EINTR) return 126;
    /* What the program wrote before it ended lies in its sockets and is passed on first. */
    if (ready == 0 && program_ended && !has_pending()) return program_code;
    if (ready >= 0) handle_poll();
  }
}
