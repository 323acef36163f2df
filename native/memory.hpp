// Arrays of working memory, not initialized. Large ones are pages from the system that go back to it
// at once: malloc would keep some of them, and memory that is kept adds to the peak.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace smalti {

constexpr std::size_t large_array = std::size_t{1} << 22;  // bytes

// Frees what `allocate` gave.
struct Release {
    std::size_t mapped = 0;  // bytes; 0 if it came from new[]

    template <class T>
    void operator()(T* array) const noexcept {
#if defined(__linux__)
        if (mapped) {
            munmap(array, mapped);
            return;
        }
#endif
        delete[] array;
    }
};

template <class T>
using Array = std::unique_ptr<T[], Release>;

// `sparse` arrays are filled in part only, here and there; the others get large pages if they can,
// which saves the system most of the work of handing them out.
template <class T>
Array<T> allocate(std::size_t n, bool sparse = false) {
    static_assert(std::is_trivial<T>::value, "elements are left as they are");
#if defined(__linux__)
    if (const std::size_t bytes = n * sizeof(T); bytes >= large_array) {
        void* pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages == MAP_FAILED) throw std::bad_alloc();
        if (!sparse) madvise(pages, bytes, MADV_HUGEPAGE);  // a wish: it may fail
        return Array<T>(static_cast<T*>(pages), Release{bytes});
    }
#endif
    static_cast<void>(sparse);
    return Array<T>(new T[n]);
}

}  // namespace smalti
