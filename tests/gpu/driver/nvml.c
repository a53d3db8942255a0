/* libnvidia-ml.so.1 for hosts without one: the calls that a reader of devices makes.
 * Codes, structures and versioned names: docs.nvidia.com/deploy/nvml-api/ and nvml.h. */
#include "scenario.h"

#include <unistd.h>

enum {
    SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7, ARGUMENT_VERSION_MISMATCH = 25
};

typedef void *Device;
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } Memory2;
typedef struct {
    char busIdLegacy[16];
    unsigned domain, bus, device, pciDeviceId, pciSubSystemId;
    char busId[32];
} Pci;
typedef struct {
    unsigned pid;
    unsigned long long usedGpuMemory;
    unsigned gpuInstanceId, computeInstanceId;
} Process;

static int opened;

/* A handle is 1 + 100 * index + (0, or 1 + the number of the slice). */
static Device handle_of(unsigned index, int slice)
{
    return (Device)(size_t)(1 + 100 * index + (unsigned)(slice + 1));
}

static void key_of(Device device, const char *name, char *key)
{
    size_t code = (size_t)device - 1;
    if (code % 100)
        snprintf(key, TEXT, "%zu.slice.%zu.%s", code / 100, code % 100 - 1, name);
    else
        snprintf(key, TEXT, "%zu.%s", code / 100, name);
}

/* Return the error that the scenario wants for *key*, or what stands against an answer. */
static int refusal(const char *key)
{
    char error[TEXT + 8];
    snprintf(error, sizeof error, "%s.error", key);
    return opened ? (int)number_of(error, SUCCESS) : UNINITIALIZED;
}

static int text(const char *key, char *value, unsigned length)
{
    char found[TEXT];
    if (refusal(key))
        return refusal(key);
    if (!look_up(key, found))
        return NOT_SUPPORTED;
    if (strlen(found) >= length)
        return INSUFFICIENT_SIZE;
    strcpy(value, found);
    return SUCCESS;
}

static int number(const char *key, long long *value)
{
    char found[TEXT];
    if (refusal(key))
        return refusal(key);
    if (!look_up(key, found))
        return NOT_SUPPORTED;
    *value = atoll(found);
    return SUCCESS;
}

static int number_about(Device device, const char *name, long long *value)
{
    char key[TEXT];
    key_of(device, name, key);
    return number(key, value);
}

static int unsigned_about(Device device, const char *name, unsigned *value)
{
    long long found = 0;
    int code = number_about(device, name, &found);
    *value = (unsigned)found;
    return code;
}

int nvmlInitWithFlags(unsigned flags)
{
    int code = (int)number_of("init.error", SUCCESS);
    (void)flags;
    if (number_of("init.hangs", 0))
        sleep(1000);
    opened = code == SUCCESS;
    return code;
}
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { opened = 0; return SUCCESS; }

const char *nvmlErrorString(int code)
{
    switch (code) {
    case 3: return "Not Supported";
    case 4: return "Insufficient Permissions";
    case 9: return "Driver Not Loaded";
    case 15: return "GPU is lost";
    case 17: return "Operating System Error";
    case 18: return "Driver/library version mismatch";
    default: return "Unknown Error";
    }
}

/* It answers before the library is set up. */
int nvmlSystemGetNVMLVersion(char *version, unsigned length)
{
    char found[TEXT];
    if (!look_up("nvml", found) || strlen(found) >= length)
        return NOT_SUPPORTED;
    strcpy(version, found);
    return SUCCESS;
}
int nvmlSystemGetDriverVersion(char *version, unsigned length)
{
    return text("driver", version, length);
}
int nvmlSystemGetCudaDriverVersion(int *version)
{
    long long found = 0;
    int code = number("cuda", &found);
    *version = (int)found;
    return code;
}
int nvmlSystemGetCudaDriverVersion_v2(int *version)
{
    return nvmlSystemGetCudaDriverVersion(version);
}
int nvmlSystemGetProcessName(unsigned pid, char *name, unsigned length)
{
    char key[TEXT];
    snprintf(key, sizeof key, "process.%u", pid);
    int code = text(key, name, length);
    return code == NOT_SUPPORTED ? NOT_FOUND : code;
}

int nvmlDeviceGetCount_v2(unsigned *count)
{
    *count = (unsigned)number_of("count", 0);
    return refusal("count");
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device *device)
{
    char key[TEXT];
    if (index >= (unsigned)number_of("count", 0))
        return INVALID_ARGUMENT;
    *device = handle_of(index, -1);
    key_of(*device, "handle", key);
    return refusal(key);
}
int nvmlDeviceGetName(Device device, char *name, unsigned length)
{
    char key[TEXT];
    key_of(device, "name", key);
    return text(key, name, length);
}
int nvmlDeviceGetUUID(Device device, char *uuid, unsigned length)
{
    char key[TEXT];
    key_of(device, "uuid", key);
    return text(key, uuid, length);
}
int nvmlDeviceGetMemoryInfo(Device device, Memory *memory)
{
    long long total = 0, free = 0;
    int code = number_about(device, "memory.total", &total);
    if (code)
        return code;
    number_about(device, "memory.free", &free);
    memory->total = (unsigned long long)total;
    memory->free = (unsigned long long)free;
    memory->used = memory->total - memory->free;
    return SUCCESS;
}
int nvmlDeviceGetMemoryInfo_v2(Device device, Memory2 *memory)
{
    Memory old;
    if (memory->version != (sizeof(Memory2) | 2U << 24))
        return ARGUMENT_VERSION_MISMATCH;
    int code = nvmlDeviceGetMemoryInfo(device, &old);
    memory->total = old.total;
    memory->free = old.free;
    memory->used = old.used;
    memory->reserved = 0;
    return code;
}
int nvmlDeviceGetCudaComputeCapability(Device device, int *major, int *minor)
{
    char key[TEXT], found[TEXT];
    key_of(device, "compute", key);
    int code = text(key, found, sizeof found);
    if (code == SUCCESS)
        sscanf(found, "%d.%d", major, minor);
    return code;
}
int nvmlDeviceGetPciInfo_v3(Device device, Pci *pci)
{
    char key[TEXT];
    key_of(device, "bus", key);
    memset(pci, 0, sizeof *pci);
    return text(key, pci->busId, sizeof pci->busId);
}
int nvmlDeviceGetMigMode(Device device, unsigned *current, unsigned *pending)
{
    int code = unsigned_about(device, "mig", current);
    *pending = *current;
    return code;
}
int nvmlDeviceGetMaxMigDeviceCount(Device device, unsigned *count)
{
    return unsigned_about(device, "slices", count);
}
int nvmlDeviceGetMigDeviceHandleByIndex(Device device, unsigned slice, Device *part)
{
    char key[TEXT], found[TEXT];
    *part = (Device)((size_t)device + slice + 1);
    key_of(*part, "uuid", key);
    return look_up(key, found) ? SUCCESS : NOT_FOUND;
}
int nvmlDeviceGetTotalEccErrors(Device device, int error, int counter, unsigned long long *count)
{
    long long found = 0;
    /* 1: uncorrected; 0: since the driver was loaded. */
    int code = error == 1 && counter == 0 ? number_about(device, "ecc", &found) : NOT_SUPPORTED;
    *count = (unsigned long long)found;
    return code;
}
int nvmlDeviceGetComputeRunningProcesses_v3(Device device, unsigned *count, Process *processes)
{
    long long present = 0;
    int code = number_about(device, "holders", &present);
    if (code || !present) {
        *count = 0;
        return code;
    }
    if (!processes || *count < (unsigned)present) {
        *count = (unsigned)present;
        return INSUFFICIENT_SIZE;
    }
    *count = (unsigned)present;
    for (unsigned index = 0; index < *count; index++) {
        char name[TEXT];
        long long pid = 0, used = -1;
        snprintf(name, sizeof name, "holder.%u.pid", index);
        number_about(device, name, &pid);
        snprintf(name, sizeof name, "holder.%u.used", index);
        number_about(device, name, &used);
        processes[index] = (Process){(unsigned)pid, (unsigned long long)used, ~0U, ~0U};
    }
    return SUCCESS;
}
