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
static int index_of(int device)
{
    char order[TEXT];
    return look_up("cuda.order", order) ? order[2 * device] - '0' : device;
}

static int about(int device, const char *name, char *text)
{
    char key[TEXT];
    snprintf(key, sizeof key, "%d.%s", index_of(device), name);
    return look_up(key, text) ? SUCCESS : INVALID_DEVICE;
}
int cuDeviceGetName(char *name, int length, int device)
{
    char text[TEXT];
    int code = about(device, "name", text);
    snprintf(name, (size_t)length, "%s", code ? "" : text);
    return code;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device)
{
    char text[TEXT];
    /* A device without memory of its own has that of the host. */
    *bytes = about(device, "memory.total", text) ? 128ULL << 30 : (size_t)atoll(text);
    return SUCCESS;
}
int cuDeviceGetAttribute(int *value, int attribute, int device)
{
    char text[TEXT] = "";
    int major = 0, minor = 0;
    int code = about(device, "compute", text);
    sscanf(text, "%d.%d", &major, &minor);
    /* 75 and 76: the two numbers of the compute capability. */
    *value = attribute == 75 ? major : minor;
    return attribute == 75 || attribute == 76 ? code : INVALID_VALUE;
}
int cuDeviceGetUuid_v2(Uuid *uuid, int device)
{
    char text[TEXT];
    if (about(device, "slice.0.uuid", text) && about(device, "uuid", text))
        return INVALID_DEVICE;
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
int cuDevicePrimaryCtxRetain(void **context, int device)
{
    (void)device;
    *context = context;
    return ready ? (int)number_of("cuda.context", SUCCESS) : NOT_INITIALIZED;
}

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
