// A transport of one's own: two threads stand for two processes and share no more than boxes for a message each.
#include <barrier>
#include <cstdio>
#include <deque>
#include <foal/executor/processes.hpp>
#include <foal/foal.hpp>
#include <future>
#include <mutex>

struct boxes {
  static inline thread_local int number = 0;
  static inline std::atomic<int> sent = 0;
  static foal::executor::process_place place() { return {number, 2}; }
  static void end_all(std::string const& why) { std::fputs(why.c_str(), stderr), std::_Exit(1); }
  std::vector<std::string> exchange(std::string const& mine) {  // foal compares what they are about to do
    static std::vector<std::string> texts(2);
    static std::barrier all(2);
    texts[static_cast<std::size_t>(number)] = mine;
    all.arrive_and_wait();
    auto const read = texts;
    return all.arrive_and_wait(), read;
  }
  static inline std::mutex lock;  // seldom: where a run ends early, pauses or fails
  static inline std::deque<foal::transport::note> notes[2];
  void tell(int to, foal::transport::note const& n) {
    std::scoped_lock const held(lock);
    notes[to].push_back(n);
  }
  std::optional<foal::transport::note> heard() {
    std::scoped_lock const held(lock);
    if (notes[number].empty()) return {};
    foal::transport::note const n = notes[number].front();
    return notes[number].pop_front(), n;
  }

  struct channel {  // one wire in one direction; message_end knows what is next, and where
    static inline std::atomic<bool> full[3];
    static inline std::vector<std::byte> bytes[3];
    foal::transport::message_end end;
    std::size_t box = static_cast<std::size_t>(end.id().kind);  // this net has one wire
    channel(boxes&, foal::transport::open_end e, int) : end(e) {
      if (end.sends()) bytes[box].resize(end.bytes());
    }
    bool progress() {
      if (full[box] == end.sends() || !end.ready()) return false;
      end.pass(bytes[box].data());
      sent += (full[box] = end.sends()) ? 1 : 0;
      return true;
    }
    bool done() const { return end.done(); }
    void end_at(std::uint32_t n) { end.end_at(n); }
  };
};

struct net : foal::stages<foal::input<1, 8, 8>, foal::flatten, foal::linear<48>, foal::tanh, foal::linear<10>> {};

/// Gives the weights of a stage that the process hosts.
template <class By>
std::vector<float> trained(int process, int stage) {
  boxes::number = process;
  foal::data::dataset const digits = foal::data::handwritten();
  foal::trainer<net, foal::loss::cross_entropy, foal::schedule::pipemare, By> t({.lr = {.rate = 0.1}, .evaluation = false});
  t.fit(digits.train, {.epochs = 2, .quiet = true});
  return t.weights(stage, 0);
}

int main() {
  using one = foal::executor::single_thread;
  using two = foal::executor::processes_over<boxes>;
  auto last = std::async(std::launch::async, trained<two>, 1, 1);
  bool const same = trained<two>(0, 0) == trained<one>(0, 0) && last.get() == trained<one>(0, 1);
  std::printf("%d messages between two processes: %s\n", boxes::sent.load(), same ? "the bits of one thread" : "OTHER BITS");
  return same ? 0 : 1;
}
