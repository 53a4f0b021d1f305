/* A daemon: two forks, a session of its own in between, nothing left of the terminal. */
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    pid_t child = fork();
    if (child != 0) {
        waitpid(child, NULL, 0);
        _exit(0);
    }
    setsid();
    if (fork() != 0) {
        _exit(0);
    }
    chdir("/");
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++) {
        dup2(null, fd);
    }
    sleep(20);
    return 0;
}
