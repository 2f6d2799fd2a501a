#include "fibre.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <new>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace foal::test::emulation {

namespace {

constexpr std::size_t stack_bytes = std::size_t{1} << 17U;
constexpr std::size_t most_stacks = 1100;  // a block's threads, and some

/// All stacks in one range of addresses, each above a page that nobody may touch.
struct stacks {
  std::byte* base = nullptr;
  std::vector<std::byte*> free;
  std::size_t made = 0;

  std::byte* take() {
    if (base == nullptr) {
      void* const all =
          mmap(nullptr, most_stacks * stack_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (all == MAP_FAILED) throw std::bad_alloc();
      base = static_cast<std::byte*>(all);
    }
    if (!free.empty()) {
      std::byte* const p = free.back();
      free.pop_back();
      return p;
    }
    if (made == most_stacks) throw std::bad_alloc();
    std::byte* const p = base + made++ * stack_bytes;
    auto const page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    if (mprotect(p + page, stack_bytes - page, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
    return p;
  }
};

stacks all;
std::byte* running = nullptr;
void (*to_run)() = nullptr;
bool done = false;

#if defined(__x86_64__)

void* outside = nullptr;

}  // namespace

// Keeps what a call keeps on the stack that is left, gives its top to *from and goes on where the other one stopped.
extern "C" void foal_emulation_switch(void** from, void* to);
asm(R"(
.text
.globl foal_emulation_switch
.type foal_emulation_switch, @function
foal_emulation_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size foal_emulation_switch, .-foal_emulation_switch
)");

namespace {

void* own_top = nullptr;

void begin() {
  to_run();
  done = true;
  foal_emulation_switch(&own_top, outside);
  std::abort();
}

void* first_top(std::byte* stack) {
  auto* at = reinterpret_cast<std::uintptr_t*>(stack + stack_bytes);
  *--at = 0;                                         // where begin() would return to
  *--at = reinterpret_cast<std::uintptr_t>(&begin);  // 16-byte aligned before the return address, as at a call
  for (int kept = 0; kept < 6; ++kept) *--at = 0;
  return at;
}

void switch_in(void** top) {
  own_top = *top;
  foal_emulation_switch(&outside, own_top);
  *top = own_top;
}
void switch_out() { foal_emulation_switch(&own_top, outside); }

#else

ucontext_t outside;
ucontext_t* inside = nullptr;

void begin() {
  to_run();
  done = true;
  setcontext(&outside);
}

void* first_top(std::byte* stack) {
  auto* const context = new ucontext_t;
  getcontext(context);
  context->uc_stack.ss_sp = stack + sysconf(_SC_PAGESIZE);
  context->uc_stack.ss_size = stack_bytes - static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  context->uc_link = nullptr;
  makecontext(context, &begin, 0);
  return context;
}

void switch_in(void** top) {
  inside = static_cast<ucontext_t*>(*top);
  swapcontext(&outside, inside);
  if (done) delete static_cast<ucontext_t*>(*top);
}
void switch_out() { swapcontext(inside, &outside); }

#endif

}  // namespace

bool fibre::enter(void (*function)()) {
  if (stack_ == nullptr) {
    stack_ = all.take();
    top_ = first_top(static_cast<std::byte*>(stack_));
  }
  running = static_cast<std::byte*>(stack_);
  to_run = function;
  done = false;
  switch_in(&top_);
  if (done) abandon();
  running = nullptr;
  return done;
}

void fibre::leave() { switch_out(); }

void fibre::abandon() {
  if (stack_ != nullptr) all.free.push_back(static_cast<std::byte*>(stack_));
  stack_ = top_ = nullptr;
}

std::byte const* fibre::stack_begin() { return running; }
std::byte const* fibre::stack_end() { return running + stack_bytes; }

}  // namespace foal::test::emulation
