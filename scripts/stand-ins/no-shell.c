/* The only program of the image container-test/no-shell: answers every connection to port 8080
 * with "hello" and closes it. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static const char LISTENING[] = "listening\n";
static const char HELLO[] = "hello\n";

/* The first process of a container ignores signals that it has no handler for. */
static void end(int signal) {
    (void)signal;
    _exit(0);
}

int main(void) {
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(8080),
        .sin_addr.s_addr = htonl(INADDR_ANY),
    };
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;

    signal(SIGTERM, end);
    signal(SIGINT, end);
    signal(SIGPIPE, SIG_IGN);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 128) != 0) {
        perror("port 8080");
        return 1;
    }
    if (write(STDOUT_FILENO, LISTENING, sizeof LISTENING - 1) < 0)
        return 1;
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection < 0)
            continue;
        (void)!write(connection, HELLO, sizeof HELLO - 1);
        close(connection);
    }
}
