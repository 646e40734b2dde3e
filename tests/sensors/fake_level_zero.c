/* Level Zero's Sysman with cards that a test puts in: signatures and structures of zes_api.h. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    uint32_t stype;
    void *next;
    uint8_t on_subdevice;
    uint32_t subdevice;
    uint8_t can_control, has_threshold;
    int32_t default_limit, min_limit, max_limit;
} properties_t;
typedef struct { uint64_t energy, timestamp; } counter_t;
typedef struct {
    uint32_t stype;
    void *next;
    struct { uint32_t domain, bus, device, function; } address;
    struct { int32_t gen, width; int64_t bandwidth; } speed;
    uint8_t has_bandwidth, has_packets, has_replays;
} pci_t;

static struct domain { int card; uint8_t on_subdevice; uint64_t energy_uj; uint32_t failing; } domains[16];
static int count, cards;
static uint32_t refuse, bus;

void fake_reset(void) { count = cards = 0; refuse = bus = 0; }
void fake_tell_place(uint32_t first_bus) { bus = first_bus; }
void fake_refuse(uint32_t status) { refuse = status; }
int fake_add_card(void) { return cards++; }
int fake_add_domain(int card, int on_subdevice, uint64_t energy_uj) {
    domains[count] = (struct domain){card, (uint8_t)on_subdevice, energy_uj, 0};
    return count++;
}
void fake_set(int domain, uint64_t energy_uj) { domains[domain].energy_uj = energy_uj; }
void fake_fail(int domain, uint32_t status) { domains[domain].failing = status; }

uint32_t zesInit(uint32_t flags) { return flags ? 0x78000004 : refuse; }
uint32_t zesDriverGet(uint32_t *number, void **handles) {
    if (handles) handles[0] = (void *)(uintptr_t)0x700000000001;
    *number = 1;
    return 0;
}
uint32_t zesDeviceGet(void *driver, uint32_t *number, void **handles) {
    if ((uintptr_t)driver != 0x700000000001) return 0x78000003;
    for (uint32_t i = 0; handles && i < *number; i++) handles[i] = (void *)(uintptr_t)(0x700000000100 + i);
    *number = (uint32_t)cards;
    return 0;
}
uint32_t zesDevicePciGetProperties(void *device, pci_t *properties) {
    if (properties->stype != 0x2) return 0x78000004;
    if (!bus) return 0x78000003;
    *properties = (pci_t){0x2, NULL, {0, bus + (uint32_t)((uintptr_t)device - 0x700000000100), 0, 0}, {4, 16, 1}, 1, 1, 1};
    return 0;
}
uint32_t zesDeviceEnumPowerDomains(void *device, uint32_t *number, void **handles) {
    int card = (int)((uintptr_t)device - 0x700000000100);
    uint32_t found = 0;
    for (int i = 0; i < count; i++)
        if (domains[i].card == card) {
            if (handles && found < *number) handles[found] = &domains[i];
            found++;
        }
    *number = found;
    return 0;
}
uint32_t zesPowerGetProperties(void *handle, properties_t *properties) {
    if (properties->stype != 0xd) return 0x78000004;
    memset((char *)properties + offsetof(properties_t, on_subdevice), 0x7f, sizeof *properties - offsetof(properties_t, on_subdevice));
    properties->on_subdevice = ((struct domain *)handle)->on_subdevice;
    return 0;
}
uint32_t zesPowerGetEnergyCounter(void *handle, counter_t *counter) {
    struct domain *domain = handle;
    if (domain->failing) return domain->failing;
    counter->energy = domain->energy_uj;
    counter->timestamp = 1;
    return 0;
}
