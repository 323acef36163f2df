// How long work is ended early: at Ctrl-C, say. Loops of the core call `check_interruption` every few
// milliseconds; whoever calls the core may watch over its call with an `Interruption`. Without one,
// or as long as nothing happens, nothing changes but the time of day being looked at.
#pragma once

#include <atomic>
#include <chrono>

namespace smalti {

// Thrown by `check_interruption`. What was being made is lost.
struct Interrupted {};

// Watches over what the thread that makes it does, and those that help it, as long as it lives.
class Interruption {
public:
    Interruption() noexcept;
    virtual ~Interruption();
    Interruption(const Interruption&) = delete;
    Interruption& operator=(const Interruption&) = delete;

    // What watches over this thread, or null.
    static Interruption* current() noexcept;

    // Puts a helping thread under the watch of the one that it helps.
    static void help(Interruption* watch) noexcept;

protected:
    // Whether to end. Only the thread that made this asks, again and again.
    virtual bool is_wanted() = 0;

private:
    friend void check_interruption();
    void check();

    Interruption* const outer_;  // a signal's handler may call the core again
    std::atomic<bool> wanted_{false};
    std::chrono::steady_clock::time_point next_;
};

// Throws Interrupted where the work of this thread is to end.
void check_interruption();

}  // namespace smalti
