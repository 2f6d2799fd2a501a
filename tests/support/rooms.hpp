// A transport whose processes are threads that share no more than boxes of messages: what a thread sanitizer can watch.
#pragma once

#include <foal/executor/processes.hpp>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace foal::test {

class rooms {
 public:
  /// Every thread is one process of so many; gives how many messages nobody has taken.
  template <class F>
  static std::size_t with_processes(int count, F const& f) {
    shared here(count);
    common_ = &here;
    std::vector<std::thread> threads;
    for (int p = 0; p < count; ++p)
      threads.emplace_back([&, p] {
        number_ = p;
        f(p);
      });
    for (std::thread& t : threads) t.join();
    common_ = nullptr;
    std::size_t left = 0;
    for (auto const& [channel, messages] : here.messages) left += messages.size();
    for (auto const& notes : here.notes) left += notes.size();
    return left;
  }

  static transport::process_place place() { return {number_, common_->count}; }
  static void end_all(std::string const& why) {
    std::fprintf(stderr, "process %d: %s\n", number_, why.c_str());
    std::abort();
  }
  std::vector<std::string> exchange(std::string const& mine) {
    std::unique_lock held(common_->lock);
    common_->texts[static_cast<std::size_t>(number_)] = mine;
    long long const round = common_->rounds;
    if (++common_->given == common_->count) {
      common_->read = common_->texts;
      common_->given = 0;
      ++common_->rounds;
      common_->all_gave.notify_all();
    } else {
      common_->all_gave.wait(held, [&] { return common_->rounds != round; });
    }
    return common_->read;  // nobody can write it before this one gives again
  }
  void tell(int process, transport::note const& n) {
    std::scoped_lock const held(common_->lock);
    common_->notes[static_cast<std::size_t>(process)].push_back(n);
  }
  std::optional<transport::note> heard() {
    std::scoped_lock const held(common_->lock);
    auto& mine = common_->notes[static_cast<std::size_t>(number_)];
    if (mine.empty()) return {};
    transport::note const n = mine.front();
    mine.pop_front();
    return n;
  }

  class channel {
   public:
    channel(rooms&, transport::open_end end, int) : end_(std::move(end)) {}
    bool progress() {
      if (!end_.ready()) return false;
      std::scoped_lock const held(common_->lock);
      auto& box = common_->messages[end_.number()];
      if (end_.sends()) {
        if (!box.empty()) return false;
        end_.pass(box.emplace_back(end_.bytes()).data());
      } else {
        if (box.empty()) return false;
        end_.pass(box.front().data());
        box.pop_front();
      }
      return true;
    }
    bool done() const { return end_.done(); }
    void end_at(std::uint32_t n) { end_.end_at(n); }

   private:
    transport::message_end end_;
  };

 private:
  struct shared {
    explicit shared(int n) : count(n), texts(static_cast<std::size_t>(n)), notes(static_cast<std::size_t>(n)) {}

    int count, given = 0;
    long long rounds = 0;
    std::mutex lock;
    std::condition_variable all_gave;
    std::vector<std::string> texts, read;
    std::map<int, std::deque<std::vector<std::byte>>> messages;  // by channel
    std::vector<std::deque<transport::note>> notes;              // by who hears them
  };
  static inline shared* common_ = nullptr;
  static inline thread_local int number_ = 0;
};
static_assert(transport::connects<rooms>);

}  // namespace foal::test
