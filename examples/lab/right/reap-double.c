/* The double fork: the parent waits for the child in between, which ends at once. */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    pid_t child = fork();
    if (child == 0) {
        if (fork() == 0) {
            sleep(20);                  /* event 2: the grandchild's work */
        }
        _exit(0);
    }
    waitpid(child, NULL, 0);
    getchar();                          /* event 1: the parent's own work */
    return 0;
}
