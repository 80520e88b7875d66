// As many increments of words in random pages as are asked for: one line of each page, spread over the cache's sets.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    uint64_t pages = strtoull(argv[1], 0, 0), accesses = strtoull(argv[2], 0, 0);
    uint64_t draw = 0x9E3779B97F4A7C15u, sum = 0;
    char *memory = mmap(0, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return 1;
    for (uint64_t page = 0; page < pages; page++) memory[page * 4096] = 1;
    for (uint64_t at = 0; at < accesses; at++) {
        draw ^= draw << 13, draw ^= draw >> 7, draw ^= draw << 17;
        uint64_t page = draw % pages;
        sum += memory[page * 4096 + page % 64 * 64]++;
    }
    printf("%lu\n", sum);
}
