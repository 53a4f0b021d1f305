/* Three forks in a row: eight processes. */
#include <stdio.h>
#include <unistd.h>

int main(void) {
    fork();
    fork();
    fork();
    getchar();
    return 0;
}
