/* libcuda.so.1 for hosts without one: what it takes to make a context.
 * Codes: `CUresult`, docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__TYPES.html */
#include "scenario.h"

#include <signal.h>
#include <unistd.h>

enum { SUCCESS = 0, INVALID_VALUE = 1, NOT_INITIALIZED = 3, NO_DEVICE = 100, INVALID_DEVICE = 101 };

typedef struct { unsigned char bytes[16]; } Uuid;

static int ready;

int cuDriverGetVersion(int *version)
{
    *version = (int)number_of("cuda", 0);
    return *version ? SUCCESS : INVALID_VALUE;
}
int cuInit(unsigned flags)
{
    int code = (int)number_of("cuda.init", SUCCESS);
    (void)flags;
    if (number_of("cuda.hangs", 0))
        sleep(1000);
    if (number_of("cuda.dies", 0))
        raise(SIGSEGV);
    ready = code == SUCCESS;
    return code;
}
int cuDeviceGetCount(int *count)
{
    *count = (int)number_of("cuda.count", number_of("count", 0));
    return ready ? (int)number_of("cuda.count.error", SUCCESS) : NOT_INITIALIZED;
}
int cuDeviceGet(int *device, int ordinal)
{
    *device = ordinal;
    return ready ? (int)number_of("cuda.device", SUCCESS) : NOT_INITIALIZED;
}
/* CUDA counts as `cuda.order` says: `1,0` puts the second GPU first. */
int cuDeviceGetUuid_v2(Uuid *uuid, int device)
{
    char order[TEXT] = "", key[TEXT], text[TEXT];
    int index = device;
    if (look_up("cuda.order", order))
        index = order[2 * device] - '0';
    snprintf(key, sizeof key, "%d.slice.0.uuid", index);
    if (!look_up(key, text)) {
        snprintf(key, sizeof key, "%d.uuid", index);
        if (!look_up(key, text))
            return INVALID_DEVICE;
    }
    const char *digits = strchr(text, '-');
    for (int byte = 0; byte < 16; byte++) {
        unsigned value = 0;
        while (*digits == '-')
            digits++;
        sscanf(digits, "%2x", &value);
        uuid->bytes[byte] = (unsigned char)value;
        digits += 2;
    }
    return SUCCESS;
}
int cuCtxCreate_v2(void **context, unsigned flags, int device)
{
    (void)flags;
    (void)device;
    *context = context;
    return ready ? (int)number_of("cuda.context", SUCCESS) : NOT_INITIALIZED;
}
int cuCtxDestroy_v2(void *context) { return context ? SUCCESS : INVALID_VALUE; }

int cuGetErrorName(int code, const char **name)
{
    switch (code) {
    case 2: *name = "CUDA_ERROR_OUT_OF_MEMORY"; break;
    case 100: *name = "CUDA_ERROR_NO_DEVICE"; break;
    case 802: *name = "CUDA_ERROR_SYSTEM_NOT_READY"; break;
    case 803: *name = "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"; break;
    case 999: *name = "CUDA_ERROR_UNKNOWN"; break;
    default: return INVALID_VALUE;
    }
    return SUCCESS;
}
