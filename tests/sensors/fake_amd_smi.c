/* AMD SMI with boards that a test puts in and drives: signatures of amdsmi.h (ROCm 6 and 7). */
#include <stddef.h>
#include <stdint.h>

#define BOARDS 8
enum { SUCCESS = 0, INVAL = 1, NOT_SUPPORTED = 2, NO_PERM = 10, NOT_INIT = 32 };

static struct board {
    uint64_t bdf;
    double power_w, energy_uj;
    int stuck, failing;
} boards[BOARDS];
static int count, opened;
static uint32_t refuse;
static uint64_t now_ns;
static float resolution_uj = 15.3f;

void fake_reset(void) { count = 0; opened = 0; refuse = 0; now_ns = 1; resolution_uj = 15.3f; }
int fake_opened(void) { return opened; }
void fake_refuse(uint32_t status) { refuse = status; }
void fake_resolution(float uj) { resolution_uj = uj; }
int fake_add(uint64_t bus, double power_w) {
    boards[count] = (struct board){bus << 8, power_w, 1e9, 0, 0};
    return count++;
}
void fake_power(int board, double power_w) { boards[board].power_w = power_w; }
void fake_stick(int board) { boards[board].stuck = 1; }
void fake_fail(int board, int status) { boards[board].failing = status; }
void fake_set(int board, double energy_j) { boards[board].energy_uj = energy_j * 1e6; }
void fake_advance(double seconds) {
    now_ns += (uint64_t)(seconds * 1e9);
    for (int i = 0; i < count; i++)
        if (!boards[i].stuck)
            boards[i].energy_uj += boards[i].power_w * seconds * 1e6;
}

uint32_t amdsmi_init(uint64_t flags) {
    if (refuse) return refuse;
    if (flags != 2) return INVAL;
    opened++;
    return SUCCESS;
}
uint32_t amdsmi_shut_down(void) { opened--; return SUCCESS; }

/* two boards a socket, so that both lists matter */
uint32_t amdsmi_get_socket_handles(uint32_t *number, void **handles) {
    if (opened < 1) return NOT_INIT;
    uint32_t sockets = (uint32_t)(count + 1) / 2;
    if (handles)
        for (uint32_t i = 0; i < *number && i < sockets; i++) handles[i] = (void *)(uintptr_t)(0x1000000000 + i);
    *number = sockets;
    return SUCCESS;
}
uint32_t amdsmi_get_processor_handles(void *socket, uint32_t *number, void **handles) {
    uint32_t first = (uint32_t)((uintptr_t)socket - 0x1000000000) * 2, there = (uint32_t)count - first;
    if (there > 2) there = 2;
    if (handles)
        for (uint32_t i = 0; i < *number && i < there; i++) handles[i] = &boards[first + i];
    *number = there;
    return SUCCESS;
}
uint32_t amdsmi_get_gpu_device_bdf(void *handle, uint64_t *bdf) {
    *bdf = ((struct board *)handle)->bdf;
    return SUCCESS;
}
uint32_t amdsmi_get_energy_count(void *handle, uint64_t *ticks, float *resolution, uint64_t *timestamp) {
    struct board *board = handle;
    if (board->failing) return (uint32_t)board->failing;
    *ticks = (uint64_t)(board->energy_uj * 65536 / 1e6);
    *resolution = resolution_uj;
    *timestamp = now_ns;
    return SUCCESS;
}
