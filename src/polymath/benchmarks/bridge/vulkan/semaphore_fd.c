/* A Vulkan layer that lets SAPIEN 2 render with Mesa's lavapipe (Vulkan on the CPU).
 *
 * SAPIEN 2 asks every device for VK_KHR_external_semaphore_fd, an extension through which it hands pictures to CUDA.
 * A renderer on the CPU has no use for it and lavapipe does not offer it, so vkCreateDevice fails with
 * VK_ERROR_EXTENSION_NOT_PRESENT. This layer lists the extension, and takes its name off the list before the driver
 * sees it. Its two functions answer with the same error, should anybody call them.
 *
 * Build:  cc -shared -fPIC -O2 -o libpolymath_semaphore_fd.so semaphore_fd.c
 * Use:    VK_LAYER_PATH=<folder of the .json file>  VK_INSTANCE_LAYERS=VK_LAYER_POLYMATH_semaphore_fd
 *
 * The few declarations that it needs of the Vulkan 1.3 ABI are written out (structure types, layouts and the chain
 * of layers are fixed by the specification and by the loader's interface document), so that a C compiler is enough.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXTENSION "VK_KHR_external_semaphore_fd"
#define EXPORT __attribute__((visibility("default")))

typedef int32_t Result; /* VkResult */
enum { SUCCESS = 0, INCOMPLETE = 5, INITIALIZATION_FAILED = -3, EXTENSION_NOT_PRESENT = -7 };
enum { LOADER_INSTANCE_CREATE_INFO = 47, LOADER_DEVICE_CREATE_INFO = 48, LINK_INFO = 0 };

typedef void *Handle; /* VkInstance, VkPhysicalDevice, VkDevice */
typedef void (*Function)(void);
typedef Function (*GetProcAddr)(Handle, const char *);

typedef struct { char name[256]; uint32_t version; } ExtensionProperties;

typedef struct { /* the beginning of VkInstanceCreateInfo and of every extending structure */
    int32_t type;
    const void *next;
} Header;

typedef struct { /* VkDeviceCreateInfo */
    int32_t type;
    const void *next;
    uint32_t flags, queue_count;
    const void *queues;
    uint32_t layer_count;
    const char *const *layers;
    uint32_t extension_count;
    const char *const *extensions;
    const void *features;
} DeviceCreateInfo;

typedef struct Link { /* VkLayerInstanceLink, VkLayerDeviceLink: the next layer's or the driver's functions */
    struct Link *next;
    GetProcAddr get_instance_proc_addr, second; /* second: of physical devices, or vkGetDeviceProcAddr */
} Link;

typedef struct { /* VkLayerInstanceCreateInfo, VkLayerDeviceCreateInfo */
    int32_t type;
    const void *next;
    int32_t function;
    Link *link;
} LoaderInfo;

typedef struct { /* VkNegotiateLayerInterface */
    int32_t type;
    void *next;
    uint32_t version;
    GetProcAddr get_instance_proc_addr, get_device_proc_addr, get_physical_device_proc_addr;
} Negotiation;

typedef Result (*CreateInstance)(const Header *, const void *, Handle *);
typedef Result (*CreateDevice)(Handle, const DeviceCreateInfo *, const void *, Handle *);
typedef Result (*EnumerateExtensions)(Handle, const char *, uint32_t *, ExtensionProperties *);

/* One chain of layers serves a process: the functions below us are the same for all its instances and devices. They
 * are looked up while an instance is created: afterwards the loader answers with the top of the chain, which is us. */
static GetProcAddr next_instance_proc_addr, next_device_proc_addr;
static EnumerateExtensions next_enumerate_extensions;
static Handle latest_instance;

/* Static, and not under the names of the API: those would be bound to the loader's functions, which call ours. */
static Function instance_function(Handle instance, const char *name);
static Function device_function(Handle device, const char *name);

static LoaderInfo *link_info(const void *chain, int32_t type) {
    for (const Header *item = chain; item; item = item->next)
        if (item->type == type && ((const LoaderInfo *)item)->function == LINK_INFO) return (LoaderInfo *)item;
    return NULL;
}

static Result create_instance(const Header *info, const void *allocator, Handle *instance) {
    LoaderInfo *loader = link_info(info->next, LOADER_INSTANCE_CREATE_INFO);
    if (!loader || !loader->link) return INITIALIZATION_FAILED;
    next_instance_proc_addr = loader->link->get_instance_proc_addr;
    loader->link = loader->link->next;
    CreateInstance create = (CreateInstance)next_instance_proc_addr(NULL, "vkCreateInstance");
    if (!create) return INITIALIZATION_FAILED;
    Result result = create(info, allocator, instance);
    if (result != SUCCESS) return result;
    latest_instance = *instance;
    next_enumerate_extensions =
        (EnumerateExtensions)next_instance_proc_addr(*instance, "vkEnumerateDeviceExtensionProperties");
    return next_enumerate_extensions ? SUCCESS : INITIALIZATION_FAILED;
}

static Result create_device(Handle physical, const DeviceCreateInfo *info, const void *allocator, Handle *device) {
    LoaderInfo *loader = link_info(info->next, LOADER_DEVICE_CREATE_INFO);
    if (!loader || !loader->link) return INITIALIZATION_FAILED;
    next_device_proc_addr = loader->link->second;
    GetProcAddr next = loader->link->get_instance_proc_addr;
    loader->link = loader->link->next;
    CreateDevice create = (CreateDevice)next(latest_instance, "vkCreateDevice");
    const char **kept = malloc((info->extension_count + 1) * sizeof *kept);
    if (!create || !kept) {
        free(kept);
        return INITIALIZATION_FAILED;
    }
    DeviceCreateInfo changed = *info;
    changed.extension_count = 0;
    for (uint32_t i = 0; i < info->extension_count; i++)
        if (strcmp(info->extensions[i], EXTENSION)) kept[changed.extension_count++] = info->extensions[i];
    changed.extensions = kept;
    Result result = create(physical, &changed, allocator, device);
    free(kept);
    return result;
}

static Result enumerate_extensions(Handle physical, const char *layer, uint32_t *count, ExtensionProperties *rows) {
    if (layer) return next_enumerate_extensions(physical, layer, count, rows);
    uint32_t capacity = *count;
    Result result = next_enumerate_extensions(physical, NULL, count, rows);
    if (result != SUCCESS) return result;
    if (!rows) {
        *count += 1;
        return SUCCESS;
    }
    if (*count >= capacity) return INCOMPLETE;
    memset(&rows[*count], 0, sizeof *rows);
    strcpy(rows[*count].name, EXTENSION);
    rows[*count].version = 1;
    *count += 1;
    return SUCCESS;
}

static Result semaphore_fd(void) { return EXTENSION_NOT_PRESENT; }

static Function own_function(const char *name) {
    static const struct { const char *name; Function function; } own[] = {
        {"vkGetInstanceProcAddr", (Function)instance_function},
        {"vkGetDeviceProcAddr", (Function)device_function},
        {"vkCreateInstance", (Function)create_instance},
        {"vkCreateDevice", (Function)create_device},
        {"vkEnumerateDeviceExtensionProperties", (Function)enumerate_extensions},
        {"vkGetSemaphoreFdKHR", (Function)semaphore_fd},
        {"vkImportSemaphoreFdKHR", (Function)semaphore_fd},
    };
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (!strcmp(name, own[i].name)) return own[i].function;
    return NULL;
}

static Function instance_function(Handle instance, const char *name) {
    Function function = own_function(name);
    if (function) return function;
    return next_instance_proc_addr ? next_instance_proc_addr(instance, name) : NULL;
}

static Function device_function(Handle device, const char *name) {
    Function function = own_function(name);
    if (function) return function;
    return next_device_proc_addr ? next_device_proc_addr(device, name) : NULL;
}

EXPORT Result vkNegotiateLoaderLayerInterfaceVersion(Negotiation *negotiation) {
    if (negotiation->version > 2) negotiation->version = 2;
    negotiation->get_instance_proc_addr = instance_function;
    negotiation->get_device_proc_addr = device_function;
    negotiation->get_physical_device_proc_addr = NULL;
    return SUCCESS;
}
