// Preloaded by test_native_memory.py: memory that runs out at the n-th request of the native core.
#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

namespace {

std::atomic<long> left{-1};  // requests until the one that fails; below 0: none does
std::atomic<long> failed{0};

// Only the core is denied anything: Python and NumPy have their own ways.
bool fails(void* caller) noexcept {
    if (left.load() < 0) return false;
    Dl_info info;
    if (!dladdr(caller, &info) || !info.dli_fname || !std::strstr(info.dli_fname, "_core")) return false;
    if (left.fetch_sub(1) != 0) return false;
    ++failed;
    return true;
}

void* take(std::size_t size, void* caller) {
    void* const found = fails(caller) ? nullptr : std::malloc(size ? size : 1);
    if (!found) throw std::bad_alloc();
    return found;
}

}  // namespace

extern "C" void fail_at(long n) {
    failed = 0;
    left = n;
}
extern "C" long failures() {
    left = -1;
    return failed;
}

void* operator new(std::size_t size) { return take(size, __builtin_return_address(0)); }
void* operator new[](std::size_t size) { return take(size, __builtin_return_address(0)); }
void operator delete(void* found) noexcept { std::free(found); }
void operator delete[](void* found) noexcept { std::free(found); }
void operator delete(void* found, std::size_t) noexcept { std::free(found); }
void operator delete[](void* found, std::size_t) noexcept { std::free(found); }

extern "C" void* __libc_calloc(std::size_t, std::size_t);
extern "C" void* calloc(std::size_t n, std::size_t size) noexcept {
    return fails(__builtin_return_address(0)) ? nullptr : __libc_calloc(n, size);
}

// Large arrays are pages from the system: native/memory.hpp.
extern "C" void* mmap(void* at, std::size_t size, int protection, int flags, int file, off_t offset) noexcept {
    if (fails(__builtin_return_address(0))) return MAP_FAILED;
    return reinterpret_cast<void*>(syscall(SYS_mmap, at, size, protection, flags, file, offset));
}
