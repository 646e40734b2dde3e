/* As much of IOKit and CoreFoundation as shows the clients of a GPU: what is made is counted, so that a leak shows. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum kind { STRING = 7, DICTIONARY = 18, ARRAY = 19, NUMBER = 22 };
typedef struct object { enum kind kind; char text[64]; int64_t value; long length; struct object *items[4]; } object;
/* a client of an accelerator: its number, creator, and GPU time of each interface; -1 ends the list */
typedef struct { uint64_t number; char creator[64]; int64_t times[4]; bool tells; } client;

enum { ACCELERATOR = 1, CLIENTS = 100, ACCELERATORS = 1000, CHILDREN = 2000 };
static client clients[16];
static int count, alive, next_accelerator, next_client;
static bool hidden;

static object *make(enum kind kind) {
    object *made = calloc(1, sizeof *made);
    made->kind = kind;
    alive++;
    return made;
}

void fake_reset(void) { count = alive = 0; hidden = false; memset(clients, 0, sizeof clients); }
int fake_alive(void) { return alive; }
void fake_hide(int yes) { hidden = yes; }
int fake_add(uint64_t number, const char *creator, int tells) {
    clients[count].number = number;
    clients[count].tells = tells;
    strcpy(clients[count].creator, creator);
    return count++;
}
void fake_time(int which, int interface, int64_t ns) { clients[which].times[interface] = ns; }
void fake_remove(int which) { clients[which].number = 0; }

object *CFStringCreateWithCString(void *allocator, const char *text, uint32_t encoding) {
    if (allocator || encoding != 0x08000100) return NULL;
    object *made = make(STRING);
    strcpy(made->text, text);
    return made;
}
bool CFStringGetCString(object *string, char *buffer, long size, uint32_t encoding) {
    if (string->kind != STRING || encoding != 0x08000100 || (long)strlen(string->text) >= size) return false;
    strcpy(buffer, string->text);
    return true;
}
unsigned long CFGetTypeID(object *of) { return of->kind; }
unsigned long CFStringGetTypeID(void) { return STRING; }
unsigned long CFArrayGetTypeID(void) { return ARRAY; }
unsigned long CFDictionaryGetTypeID(void) { return DICTIONARY; }
long CFArrayGetCount(object *array) { return array->length; }
object *CFArrayGetValueAtIndex(object *array, long which) { return array->items[which]; }
object *CFDictionaryGetValue(object *dictionary, object *key) {
    return strcmp(key->text, "accumulatedGPUTime") ? NULL : dictionary->items[0];
}
bool CFNumberGetValue(object *number, long type, int64_t *value) {
    if (number->kind != NUMBER || type != 4) return false;
    *value = number->value;
    return true;
}
void CFRelease(object *of) {
    for (int i = 0; i < 4; i++) if (of->items[i]) CFRelease(of->items[i]);
    memset(of, 0, sizeof *of);
    free(of);
    alive--;
}

object *IOServiceMatching(const char *name) {
    object *made = make(DICTIONARY);
    strcpy(made->text, name);
    return made;
}
int IOServiceGetMatchingServices(uint32_t port, object *wanted, uint32_t *iterator) {
    bool right = !port && !strcmp(wanted->text, "IOAccelerator") && !hidden;
    CFRelease(wanted);
    if (!right) return -1;
    *iterator = ACCELERATORS;
    next_accelerator = 0;
    alive++;
    return 0;
}
int IORegistryEntryGetChildIterator(uint32_t entry, const char *plane, uint32_t *iterator) {
    if (entry != ACCELERATOR || strcmp(plane, "IOService")) return -1;
    *iterator = CHILDREN;
    next_client = 0;
    alive++;
    return 0;
}
uint32_t IOIteratorNext(uint32_t iterator) {
    if (iterator == ACCELERATORS) return next_accelerator++ ? 0 : (alive++, ACCELERATOR);
    while (next_client < count && !clients[next_client].number) next_client++;
    if (next_client == count) return 0;
    alive++;
    return CLIENTS + (uint32_t)next_client++;
}
int IOObjectRelease(uint32_t entry) { return entry ? (alive--, 0) : -1; }
int IORegistryEntryGetRegistryEntryID(uint32_t entry, uint64_t *number) {
    *number = clients[entry - CLIENTS].number;
    return 0;
}
object *IORegistryEntryCreateCFProperty(uint32_t entry, object *key, void *allocator, uint32_t options) {
    client *of = &clients[entry - CLIENTS];
    if (allocator || options) return NULL;
    if (!strcmp(key->text, "IOUserClientCreator")) {
        object *made = make(STRING);
        strcpy(made->text, of->creator);
        return made;
    }
    if (strcmp(key->text, "AppUsage") || !of->tells) return NULL;
    object *array = make(ARRAY);
    for (int i = 0; i < 4 && of->times[i] >= 0; i++) {
        object *number = make(NUMBER), *dictionary = make(DICTIONARY);
        number->value = of->times[i];
        dictionary->items[0] = number;
        array->items[array->length++] = dictionary;
    }
    return array;
}
