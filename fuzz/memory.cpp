// The core with the n-th allocation failing, n = 1, 2, ... until none is left: each try must end in
// std::bad_alloc or in the result, and leak nothing.
//
// Takes inputs of the fuzzer of the core, whose oracles run here, too, and may run out of memory as
// well. `make sanitize` builds this with AddressSanitizer, which tells of leaks at the end; with
// --once nothing fails, for valgrind, which tells of results that were never written:
//
//     fuzz_memory FILES          valgrind --error-exitcode=1 fuzz_memory --once FILES
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <new>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

std::atomic<long> left{-1};  // allocations until the one that fails; below 0: none fails
std::atomic<bool> failed{false};

bool fails() noexcept {
    if (left.load() < 0 || left.fetch_sub(1) != 0) return false;
    failed = true;
    return true;
}

void* take(std::size_t size) {
    if (fails()) throw std::bad_alloc();
    if (void* found = std::malloc(size ? size : 1)) return found;
    throw std::bad_alloc();
}

std::vector<uint8_t> read(const char* name) {
    std::ifstream file(name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

void* operator new(std::size_t size) { return take(size); }
void* operator new[](std::size_t size) { return take(size); }
void operator delete(void* found) noexcept { std::free(found); }
void operator delete[](void* found) noexcept { std::free(found); }
void operator delete(void* found, std::size_t) noexcept { std::free(found); }
void operator delete[](void* found, std::size_t) noexcept { std::free(found); }

// Large arrays are pages from the system: native/memory.hpp.
extern "C" void* mmap(void* at, size_t size, int protection, int flags, int file, off_t offset) noexcept {
    if (fails()) return MAP_FAILED;
    return reinterpret_cast<void*>(syscall(SYS_mmap, at, size, protection, flags, file, offset));
}

int main(int count, char** names) {
    long tries = 0, caught = 0;
    const bool once = count > 1 && std::string(names[1]) == "--once";
    for (int i = once ? 2 : 1; i < count; ++i) {
        const std::vector<uint8_t> input = read(names[i]);
        LLVMFuzzerTestOneInput(input.data(), input.size());  // what is made once for all is made here
        for (long n = 0; !once; ++n, ++tries) {
            failed = false;
            left = n;
            try {
                LLVMFuzzerTestOneInput(input.data(), input.size());
            } catch (const std::bad_alloc&) {
                ++caught;
            }
            left = -1;
            if (!failed) break;
        }
    }
    std::printf("%ld allocations failed, %ld ended in std::bad_alloc\n", tries, caught);
}
