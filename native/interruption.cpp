// Whether to go on: asked rarely, as the answer may be long in coming.
#include "interruption.hpp"

#include <algorithm>

namespace smalti {
namespace {

using Clock = std::chrono::steady_clock;

// People take a tenth of a second for at once. Where another thread is slow to let ask, it is done
// less often: it must not take more than a twentieth of the time.
constexpr Clock::duration least = std::chrono::milliseconds(20), most = std::chrono::milliseconds(100);
constexpr int patience = 20;

// Of this thread: who watches, and whether it is the one who asks.
thread_local Interruption* watching = nullptr;
thread_local bool asks = false;

}  // namespace

Interruption::Interruption() noexcept : outer_(watching), next_(Clock::now() + least) {
    watching = this;
    asks = true;
}

Interruption::~Interruption() { watching = outer_; }

Interruption* Interruption::current() noexcept { return watching; }

void Interruption::help(Interruption* watch) noexcept { watching = watch; }

void Interruption::check() {
    if (asks) {
        const Clock::time_point now = Clock::now();
        if (now >= next_) {
            if (is_wanted()) wanted_ = true;
            const Clock::time_point after = Clock::now();
            next_ = after + std::clamp(patience * (after - now), least, most);
        }
    }
    if (wanted_.load(std::memory_order_relaxed)) throw Interrupted();
}

void check_interruption() {
    if (watching) watching->check();
}

}  // namespace smalti
