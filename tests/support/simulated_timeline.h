#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "daemon/timeline.h"

namespace peerstage::daemon {

/// Time that stands still until a test lets it pass. What is due at the same time is done in the order in
/// which it was asked for.
class SimulatedTimeline final : public Timeline {
 public:
  explicit SimulatedTimeline(Wall start = Wall(std::chrono::hours(24) * 20'000)) : wall_at_start_(start) {}

  Steady steady_now() const override { return Steady(elapsed_); }
  Wall wall_now() const override { return wall_at_start_ + elapsed_ + wall_offset_; }

  std::unique_ptr<Alarm> after(std::chrono::milliseconds delay, Act act) override {
    return arm(elapsed_ + std::max(delay, std::chrono::milliseconds(0)), false, std::move(act));
  }
  std::unique_ptr<Alarm> at(Wall when, Act act) override {
    return arm(time_until(when), true, std::move(act));
  }

  /// Does the next thing that is due, letting time pass until then; false: there is nothing to do, ever, or
  /// not before `limit` has passed since the start.
  bool step(std::chrono::nanoseconds limit = std::chrono::nanoseconds::max()) {
    if (book_->agenda.empty()) return false;
    const auto next = book_->agenda.begin();
    if (next->first > limit) return false;
    elapsed_ = std::max(elapsed_, next->first);
    const Act act = std::move(next->second.act);
    book_->strike(next->second.number);
    act();
    return true;
  }

  /// Lets so much time pass, and does all that is due meanwhile.
  void pass(std::chrono::nanoseconds time) {
    const std::chrono::nanoseconds end = elapsed_ + time;
    while (step(end)) {
    }
    elapsed_ = end;
  }

  /// Sets the wall clock: whoever waits for a time of it is woken up.
  void set_wall(Wall now) {
    wall_offset_ += std::chrono::duration_cast<std::chrono::nanoseconds>(now - wall_now());
    std::vector<Entry> woken;
    for (const auto& [when, entry] : book_->agenda)
      if (entry.of_wall) woken.push_back(entry);
    for (Entry& entry : woken) {
      book_->strike(entry.number);
      book_->enter(elapsed_, std::move(entry));
    }
  }

  std::chrono::nanoseconds elapsed() const { return elapsed_; }
  std::size_t alarms() const { return book_->agenda.size(); }

 private:
  struct Entry {
    std::uint64_t number;
    bool of_wall;
    Act act;
  };
  using Agenda = std::multimap<std::chrono::nanoseconds, Entry>;

  struct Book {
    Agenda agenda;
    std::unordered_map<std::uint64_t, Agenda::iterator> places;

    void enter(std::chrono::nanoseconds when, Entry entry) {
      const std::uint64_t number = entry.number;
      places[number] = agenda.emplace(when, std::move(entry));
    }
    void strike(std::uint64_t number) {
      const auto place = places.find(number);
      if (place == places.end()) return;
      agenda.erase(place->second);
      places.erase(place);
    }
  };

  class Armed final : public Alarm {
   public:
    Armed(std::shared_ptr<Book> book, std::uint64_t number) : book_(std::move(book)), number_(number) {}
    ~Armed() override { book_->strike(number_); }
    Armed(const Armed&) = delete;
    Armed& operator=(const Armed&) = delete;

   private:
    std::shared_ptr<Book> book_;
    std::uint64_t number_;
  };

  std::unique_ptr<Alarm> arm(std::chrono::nanoseconds when, bool of_wall, Act act) {
    book_->enter(when, Entry{++last_number_, of_wall, std::move(act)});
    return std::make_unique<Armed>(book_, last_number_);
  }

  std::chrono::nanoseconds time_until(Wall when) const {
    return std::max(elapsed_,
                    elapsed_ + std::chrono::duration_cast<std::chrono::nanoseconds>(when - wall_now()));
  }

  Wall wall_at_start_;
  std::chrono::nanoseconds elapsed_{0}, wall_offset_{0};
  std::shared_ptr<Book> book_ = std::make_shared<Book>();
  std::uint64_t last_number_ = 0;
};

}  // namespace peerstage::daemon
