/* A libnvidia-ml.so.1 without hardware, for the real pynvml: gcc -shared -fPIC -Wl,-soname,libnvidia-ml.so.1
 *
 * Tests drive it through the fake_* functions. Time stands still until fake_advance(), or runs with the machine's
 * monotonic clock after fake_use_real_time(). Power is constant in between, energy its exact integral, shown as of the
 * last multiple of the latch, times the error of the sensor, and cut to millijoules. Mean power is that of the second
 * before, samples are power on a grid of time.
 *
 * In a program that no test drives, FAKE_NVML_CARDS=2 are two cards, in real time, that draw what their limit lets them;
 * limits are kept in the folder FAKE_NVML_LIMITS, nobody may set them with FAKE_NVML_DENIED, and energy is not counted
 * with FAKE_NVML_NO_COUNTER. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CARDS 8
#define LIST 32
#define TEXT 96
#define STEPS 4096 /* of power that are remembered */
#define KEPT 120   /* samples that the driver keeps */

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NO_PERMISSION = 4, NOT_FOUND = 6,
       INSUFFICIENT_SIZE = 7, DRIVER_NOT_LOADED = 9 };

/* what can be made to fail; tests name them by number */
enum { ALL, ENERGY, POWER, SAMPLES, PROCESSES, MPS, MIG, BUSY, MEAN, INSTANT, KEPT_SAMPLES, LIMIT, SET_LIMIT, CALLS };
enum { GPU, MODULE, MEMORY, SCOPES };

typedef struct { unsigned pid; unsigned long long bytes; unsigned gpu_instance, compute_instance; } Process;
typedef struct { unsigned pid; unsigned long long us; unsigned sm, memory, encoder, decoder; } Sample;

typedef struct { long long ns, power_mw; __int128 energy_pj; } Step;
typedef union { double d; unsigned ui; unsigned long ul; unsigned long long ull; long long sll; } Value;
typedef struct { unsigned field, scope; long long us, latency_us; int type, error; Value value; } Field;
typedef struct { unsigned long long us; Value value; } Power;

typedef struct {
    char uuid[TEXT], name[TEXT], mig_uuid[TEXT];
    int split, stuck, errors[CALLS], asked;
    long long at_ns, latch_ns, power_mw, error_ppm, grid_ns, scope_mw[SCOPES];
    unsigned limit_mw, default_mw, least_mw, most_mw;
    int steps;
    Step step[STEPS];
    __int128 energy_pj, shown_pj; /* 1 mW is 1 pJ per ns */
    unsigned busy, processes, mps, samples;
    Process process[LIST];
    Sample sample[LIST];
} Card;

static Card card[CARDS];
static int cards, opened, openings, stale, driver_error;
static long long clock_ns, real_zero_ns = -1;

static long long real_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void pass_time(Card *c) {
    long long now = real_zero_ns < 0 ? clock_ns : real_ns() - real_zero_ns;
    long long latched = c->latch_ns ? now / c->latch_ns * c->latch_ns : now;
    if (!c->stuck && latched >= c->at_ns) c->shown_pj = c->energy_pj + (__int128)c->power_mw * (latched - c->at_ns);
    c->energy_pj += (__int128)c->power_mw * (now - c->at_ns);
    c->at_ns = now;
}

static void remember(Card *c) {
    if (c->steps == STEPS) memmove(c->step, c->step + STEPS / 2, (c->steps = STEPS / 2) * sizeof *c->step);
    c->step[c->steps++] = (Step){c->at_ns, c->power_mw, c->energy_pj};
}

static Step *step_at(Card *c, long long ns) {
    int i = c->steps - 1;
    while (i > 0 && c->step[i].ns > ns) i--;
    return &c->step[i];
}

static __int128 energy_at(Card *c, long long ns) {
    Step *s = step_at(c, ns);
    return ns < s->ns ? s->energy_pj : s->energy_pj + (__int128)s->power_mw * (ns - s->ns);
}

static unsigned measured(const Card *c, long long power_mw) { return (unsigned)(power_mw + power_mw * c->error_ppm / 1000000); }

/* of the second before, or of the time since the card was put in */
static long long mean_mw(Card *c) {
    long long since = c->at_ns - 1000000000LL > c->step[0].ns ? c->at_ns - 1000000000LL : c->step[0].ns;
    if (c->at_ns == since) return c->power_mw;
    return (long long)((energy_at(c, c->at_ns) - energy_at(c, since)) / (c->at_ns - since));
}

/* driven by tests */

void fake_reset(void) {
    memset(card, 0, sizeof card);
    cards = opened = openings = stale = driver_error = 0;
    clock_ns = 0;
    real_zero_ns = -1;
}

int fake_add(const char *uuid, const char *name, long long power_mw, long long latch_ns) {
    Card *c = &card[cards];
    strncpy(c->uuid, uuid, TEXT - 1);
    strncpy(c->name, name, TEXT - 1);
    c->power_mw = power_mw;
    c->latch_ns = latch_ns;
    c->at_ns = clock_ns;
    c->errors[MIG] = c->errors[MEAN] = c->errors[INSTANT] = c->errors[KEPT_SAMPLES] = NOT_SUPPORTED;
    c->scope_mw[MODULE] = c->scope_mw[MEMORY] = -1;
    c->limit_mw = c->default_mw = c->most_mw = 400000;
    c->least_mw = 100000;
    remember(c);
    return cards++;
}

void fake_advance(long long ns) {
    clock_ns += ns;
    for (int i = 0; i < cards; i++) pass_time(&card[i]);
}

void fake_use_real_time(void) { real_zero_ns = real_ns() - clock_ns; }

void fake_power(int i, long long power_mw) {
    pass_time(&card[i]);
    card[i].power_mw = power_mw;
    remember(&card[i]);
}

void fake_error(int i, long long ppm) { card[i].error_ppm = ppm; }

/* the driver keeps samples of its power on this grid */
void fake_grid(int i, long long ns) {
    card[i].grid_ns = ns;
    card[i].errors[KEPT_SAMPLES] = SUCCESS;
}

/* the power of a scope besides the GPU's can be asked for: that of its module more than its own, or of its memory */
void fake_scope(int i, int scope, long long power_mw) { card[i].scope_mw[scope] = power_mw; }

void fake_limits(int i, unsigned least_mw, unsigned most_mw, unsigned default_mw) {
    card[i].least_mw = least_mw;
    card[i].most_mw = most_mw;
    card[i].limit_mw = card[i].default_mw = default_mw;
}

unsigned fake_limit(int i) { return card[i].limit_mw; }

static FILE *limit_file(const Card *c, const char *mode) {
    char path[4096];
    const char *folder = getenv("FAKE_NVML_LIMITS");
    if (!folder || !*folder) return NULL;
    snprintf(path, sizeof path, "%s/%s", folder, c->uuid);
    return fopen(path, mode);
}

static void draw_limit(Card *c) {
    FILE *file = limit_file(c, "r");
    unsigned limit_mw;
    if (!file) return;
    if (fscanf(file, "%u", &limit_mw) == 1 && limit_mw != c->limit_mw) {
        c->limit_mw = limit_mw;
        fake_power(c - card, limit_mw);
    }
    fclose(file);
}

__attribute__((constructor)) static void begin(void) {
    const char *count = getenv("FAKE_NVML_CARDS");
    for (int i = 0; count && i < atoi(count); i++) {
        char uuid[TEXT];
        snprintf(uuid, sizeof uuid, "GPU-%d", i);
        fake_add(uuid, "NVIDIA A100-SXM4-40GB", card[i].limit_mw, 10000000);
        fake_power(i, card[i].limit_mw);
        if (getenv("FAKE_NVML_DENIED")) card[i].errors[SET_LIMIT] = NO_PERMISSION;
        if (getenv("FAKE_NVML_NO_COUNTER")) card[i].errors[ENERGY] = NOT_SUPPORTED;
    }
    if (count) fake_use_real_time();
}

void fake_counted(int i, long long energy_mj) { card[i].energy_pj = card[i].shown_pj = (__int128)energy_mj * 1000000000; }

void fake_stick(int i) { card[i].stuck = 1; }

void fake_fail(int i, int call, int error) { card[i].errors[call] = error; }

void fake_split(int i, const char *mig_uuid) {
    card[i].split = 1;
    card[i].errors[MIG] = SUCCESS;
    strncpy(card[i].mig_uuid, mig_uuid, TEXT - 1);
}

void fake_processes(int i, const unsigned *pids, unsigned count) {
    card[i].processes = count;
    for (unsigned n = 0; n < count; n++) card[i].process[n] = (Process){pids[n], 0, 0, 0};
}

void fake_mps(int i, unsigned clients) { card[i].mps = clients; }

void fake_sample(int i, unsigned pid, unsigned long long us, unsigned sm) {
    card[i].sample[card[i].samples++] = (Sample){pid, us, sm, 0, 0, 0};
}

void fake_busy(int i, unsigned percent) { card[i].busy = percent; }

/* the driver is taken out, and loaded again: counters start from nothing, and who has the library open must close it */
void fake_unload(void) { driver_error = DRIVER_NOT_LOADED; stale = opened > 0; }

void fake_load(void) {
    driver_error = 0;
    for (int i = 0; i < cards; i++) fake_counted(i, 0);
}

int fake_opened(void) { return opened; }

int fake_openings(void) { return openings; }

int fake_asked(int i) { return card[i].asked; }

/* NVML */

static int library(void) { return !opened ? UNINITIALIZED : driver_error ? driver_error : stale ? DRIVER_NOT_LOADED : SUCCESS; }

static int ask(void *handle, int call, Card **c) {
    uintptr_t number = (uintptr_t)handle & 0xff;
    if (library()) return library();
    if (!number || number > (unsigned)cards) return INVALID_ARGUMENT;
    *c = &card[number - 1];
    (*c)->asked++;
    pass_time(*c);
    return (*c)->errors[ALL] ? (*c)->errors[ALL] : (*c)->errors[call];
}

static int copy(const char *text, char *out, unsigned size) {
    if (strlen(text) >= size) return INSUFFICIENT_SIZE;
    strcpy(out, text);
    return SUCCESS;
}

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    openings++;
    if (driver_error) return driver_error;
    if (!opened) stale = 0;
    opened++;
    return SUCCESS;
}

int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

int nvmlShutdown(void) {
    if (!opened) return UNINITIALIZED;
    opened--;
    return SUCCESS;
}

const char *nvmlErrorString(int code) { return code == SUCCESS ? "The operation was successful" : "Error of the fake"; }

int nvmlDeviceGetCount_v2(unsigned *count) { *count = cards; return library(); }

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    Card *c;
    *handle = (void *)(uintptr_t)(index + 1);
    return ask(*handle, ALL, &c);
}

int nvmlDeviceGetHandleByUUID(const char *uuid, void **handle) {
    Card *c;
    for (int i = 0; i < cards; i++) {
        int is_mig = card[i].split && !strcmp(uuid, card[i].mig_uuid);
        if (!is_mig && strcmp(uuid, card[i].uuid)) continue;
        *handle = (void *)(uintptr_t)(i + 1 + 0x100 * is_mig);
        return ask(*handle, ALL, &c);
    }
    return library() ? library() : NOT_FOUND;
}

int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(void *handle, void **board) {
    Card *c;
    *board = (void *)((uintptr_t)handle & 0xff);
    return (uintptr_t)handle & 0x100 ? ask(*board, ALL, &c) : INVALID_ARGUMENT;
}

int nvmlDeviceGetUUID(void *handle, char *uuid, unsigned size) {
    Card *c;
    int error = ask(handle, ALL, &c);
    return error ? error : copy(c->uuid, uuid, size);
}

int nvmlDeviceGetName(void *handle, char *name, unsigned size) {
    Card *c;
    int error = ask(handle, ALL, &c);
    return error ? error : copy(c->name, name, size);
}

int nvmlDeviceGetMigMode(void *handle, unsigned *current, unsigned *pending) {
    Card *c;
    int error = ask(handle, MIG, &c);
    if (!error) *current = *pending = c->split;
    return error;
}

int nvmlDeviceGetTotalEnergyConsumption(void *handle, unsigned long long *energy_mj) {
    Card *c;
    int error = ask(handle, ENERGY, &c);
    if (!error) draw_limit(c);
    if (!error) *energy_mj = (unsigned long long)((c->shown_pj + c->shown_pj * c->error_ppm / 1000000) / 1000000000);
    return error;
}

int nvmlDeviceGetPowerUsage(void *handle, unsigned *power_mw) {
    Card *c;
    int error = ask(handle, POWER, &c);
    if (!error) *power_mw = measured(c, c->power_mw);
    return error;
}

static int field(Card *c, Field *f) {
    if (f->field != 185 && f->field != 186) return NOT_SUPPORTED;
    if (f->scope >= SCOPES || (f->scope != GPU && c->scope_mw[f->scope] < 0)) return NOT_SUPPORTED;
    if (f->scope == GPU && c->errors[f->field == 185 ? MEAN : INSTANT]) return c->errors[f->field == 185 ? MEAN : INSTANT];
    long long gpu_mw = f->scope == MEMORY ? 0 : f->field == 185 ? mean_mw(c) : c->power_mw;
    f->us = c->at_ns / 1000;
    f->type = 1; /* unsigned */
    f->value.ui = measured(c, gpu_mw + (f->scope == GPU ? 0 : c->scope_mw[f->scope]));
    return SUCCESS;
}

int nvmlDeviceGetFieldValues(void *handle, int count, Field *fields) {
    Card *c;
    int error = ask(handle, ALL, &c);
    for (int n = 0; !error && n < count; n++) fields[n].error = field(c, &fields[n]);
    return error;
}

int nvmlDeviceGetSamples(void *handle, int type, unsigned long long since_us, int *value_type, unsigned *count, Power *out) {
    Card *c;
    int error = ask(handle, KEPT_SAMPLES, &c);
    if (error) return error;
    if (type) return INVALID_ARGUMENT; /* power is all there is */
    long long last = c->at_ns / c->grid_ns, first = last - KEPT + 1;
    if (first < 1) first = 1;
    while (first <= last && (unsigned long long)(first * c->grid_ns / 1000) <= since_us) first++;
    if (first > last) return NOT_FOUND;
    *value_type = 1;
    if (!out) { *count = (unsigned)(last - first + 1); return SUCCESS; }
    unsigned there = 0;
    for (; first <= last && there < *count; first++, there++)
        out[there] = (Power){(unsigned long long)(first * c->grid_ns / 1000),
                             {.ui = measured(c, step_at(c, first * c->grid_ns)->power_mw)}};
    *count = there;
    return SUCCESS;
}

int nvmlDeviceGetPowerManagementLimit(void *handle, unsigned *limit_mw) {
    Card *c;
    int error = ask(handle, LIMIT, &c);
    if (!error) draw_limit(c), *limit_mw = c->limit_mw;
    return error;
}

int nvmlDeviceGetPowerManagementDefaultLimit(void *handle, unsigned *limit_mw) {
    Card *c;
    int error = ask(handle, LIMIT, &c);
    if (!error) *limit_mw = c->default_mw;
    return error;
}

int nvmlDeviceGetPowerManagementLimitConstraints(void *handle, unsigned *least_mw, unsigned *most_mw) {
    Card *c;
    int error = ask(handle, LIMIT, &c);
    if (!error) *least_mw = c->least_mw, *most_mw = c->most_mw;
    return error;
}

int nvmlDeviceSetPowerManagementLimit(void *handle, unsigned limit_mw) {
    Card *c;
    int error = ask(handle, SET_LIMIT, &c);
    if (!error && (limit_mw < c->least_mw || limit_mw > c->most_mw)) error = INVALID_ARGUMENT;
    if (error) return error;
    FILE *file = limit_file(c, "w");
    if (file) fprintf(file, "%u\n", limit_mw), fclose(file), draw_limit(c);
    c->limit_mw = limit_mw;
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(void *handle, unsigned *gpu_and_memory) {
    Card *c;
    int error = ask(handle, BUSY, &c);
    if (!error) gpu_and_memory[0] = c->busy, gpu_and_memory[1] = 0;
    return error;
}

/* without a time they are rubbish, and always come */
static int is_new(const Sample *s, unsigned long long since_us) { return s->us > since_us || !s->us; }

int nvmlDeviceGetProcessUtilization(void *handle, Sample *out, unsigned *count, unsigned long long since_us) {
    Card *c;
    unsigned newer = 0;
    int error = ask(handle, SAMPLES, &c);
    if (error) return error;
    for (unsigned n = 0; n < c->samples; n++) newer += is_new(&c->sample[n], since_us);
    if (!newer) return NOT_FOUND;
    if (!out || *count < newer) { *count = newer; return INSUFFICIENT_SIZE; }
    *count = 0;
    for (unsigned n = 0; n < c->samples; n++)
        if (is_new(&c->sample[n], since_us)) out[(*count)++] = c->sample[n];
    return SUCCESS;
}

static int list(const Process *processes, unsigned there, unsigned *count, Process *out) {
    unsigned room = *count;
    *count = there;
    if (there > room) return INSUFFICIENT_SIZE;
    if (there) memcpy(out, processes, there * sizeof *out);
    return SUCCESS;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, Process *out) {
    Card *c;
    int error = ask(handle, PROCESSES, &c);
    return error ? error : list(c->process, c->processes, count, out);
}

int nvmlDeviceGetMPSComputeRunningProcesses_v3(void *handle, unsigned *count, Process *out) {
    Card *c;
    int error = ask(handle, MPS, &c);
    return error ? error : list(c->process, c->mps, count, out);
}

/* how it is: always the same */

int nvmlSystemGetDriverVersion(char *version, unsigned length) {
    strncpy(version, "550.54.15", length);
    return SUCCESS;
}

int nvmlSystemGetCudaDriverVersion(int *version) {
    *version = 12040;
    return SUCCESS;
}

int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned *celsius) {
    Card *c;
    int error = ask(handle, ALL, &c);
    if (!error) *celsius = 45;
    return sensor ? INVALID_ARGUMENT : error;
}

int nvmlDeviceGetPerformanceState(void *handle, int *state) {
    Card *c;
    int error = ask(handle, ALL, &c);
    if (!error) *state = 2;
    return error;
}

int nvmlDeviceGetClockInfo(void *handle, int kind, unsigned *mhz) {
    Card *c;
    int error = ask(handle, ALL, &c);
    if (!error) *mhz = kind == 1 ? 1410 : 0;
    return error;
}

int nvmlDeviceGetMemoryInfo(void *handle, unsigned long long *total_free_used) {
    Card *c;
    int error = ask(handle, ALL, &c);
    if (!error) total_free_used[0] = 40ULL << 30, total_free_used[1] = 30ULL << 30, total_free_used[2] = 10ULL << 30;
    return error;
}
