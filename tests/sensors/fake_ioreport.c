/* libIOReport and as much of CoreFoundation as it needs: pointers are real and counted, so that a leak shows. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum kind { STRING = 1, DICTIONARY, SUBSCRIPTION, ARRAY };
typedef struct { enum kind kind; char text[64]; int64_t values[32]; } object;
typedef struct { char name[64], unit[8]; int64_t value; } channel;

static channel channels[32];
static object names[32], units[32];
static int count, alive, hidden, refused, silent;

static object *make(enum kind kind) {
    object *made = calloc(1, sizeof *made);
    made->kind = kind;
    alive++;
    return made;
}

void fake_reset(void) { count = alive = hidden = refused = silent = 0; }
int fake_alive(void) { return alive; }
void fake_hide(int yes) { hidden = yes; }
void fake_refuse(int yes) { refused = yes; }
void fake_silence(int yes) { silent = yes; }
void fake_shrink(void) { count = 1; }
int fake_add(const char *name, const char *unit, int64_t value) {
    strcpy(channels[count].name, name);
    strcpy(channels[count].unit, unit);
    strcpy(names[count].text, name);
    strcpy(units[count].text, unit);
    channels[count].value = value;
    return count++;
}
void fake_set(int which, int64_t value) { channels[which].value = value; }

void *CFStringCreateWithCString(void *allocator, const char *text, uint32_t encoding) {
    if (allocator || encoding != 0x08000100) return NULL;
    object *made = make(STRING);
    strcpy(made->text, text);
    return made;
}
bool CFStringGetCString(object *string, char *buffer, long size, uint32_t encoding) {
    if (encoding != 0x08000100 || (long)strlen(string->text) >= size) return false;
    strcpy(buffer, string->text);
    return true;
}
void *CFDictionaryCreateMutableCopy(void *allocator, long capacity, object *of) {
    return allocator || capacity || of->kind != DICTIONARY ? NULL : make(DICTIONARY);
}
/* the array is inside the sample and lives as long */
void *CFDictionaryGetValue(object *sample, object *key) {
    return strcmp(key->text, "IOReportChannels") ? NULL : sample;
}
long CFArrayGetCount(object *array) { (void)array; return count; }
void *CFArrayGetValueAtIndex(object *array, long which) { return &array->values[which]; }
void CFRelease(object *reference) {
    memset(reference, 0, sizeof *reference);
    free(reference);
    alive--;
}

void *IOReportCopyChannelsInGroup(object *group, void *subgroup, uint64_t a, uint64_t b, uint64_t c) {
    return hidden || subgroup || a || b || c || strcmp(group->text, "Energy Model") ? NULL : make(DICTIONARY);
}
void *IOReportCreateSubscription(void *a, object *wanted, void **given, uint64_t b, void *c) {
    if (refused || a || b || c || wanted->kind != DICTIONARY) return NULL;
    *given = make(DICTIONARY);
    return make(SUBSCRIPTION);
}
/* the value at which a channel stands when it is sampled, with its number in the upper bits of the first */
static object *sampled;
void *IOReportCreateSamples(object *subscription, object *wanted, void *a) {
    if (silent || a || subscription->kind != SUBSCRIPTION || wanted->kind != DICTIONARY) return NULL;
    sampled = make(ARRAY);
    for (int i = 0; i < count; i++) sampled->values[i] = channels[i].value;
    return sampled;
}
void *IOReportChannelGetChannelName(int64_t *item) { return &names[item - sampled->values]; }
void *IOReportChannelGetUnitLabel(int64_t *item) { return &units[item - sampled->values]; }
int64_t IOReportSimpleGetIntegerValue(int64_t *item, int32_t a) { return a ? -1 : *item; }
