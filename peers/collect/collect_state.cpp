#include "peers/collect/collect_state.h"

#include "peers/collect/sealed_text.h"

namespace peerstage::peers::collect {
namespace {

constexpr const char* state_name = "peerstage.collect";
constexpr const char* state_heading = "peerstage collect 1";
constexpr std::size_t longest_state = 256U << 20U;

std::optional<CollectState::Published> read_published(Words& words) {
  CollectState::Published published;
  published.id = words.next();
  const auto modified = words.number<std::int64_t>();
  const auto inode = words.number<std::uint64_t>();
  if (published.id.empty() || !modified || !inode) return std::nullopt;
  published.modified = *modified;
  published.inode = *inode;
  return published;
}

std::optional<CollectState::Waiting> read_waiting(Words& words) {
  CollectState::Waiting waiting;
  waiting.id = words.next();
  const auto staged = words.number<std::int64_t>();
  if (waiting.id.empty() || !staged) return std::nullopt;
  waiting.staged = *staged;
  return waiting;
}

/// False: the line means nothing.
bool take_line(CollectState& state, std::string_view line) {
  Words words(line);
  const std::string_view key = words.next();
  if (key == "collect-dir" || key == "archive") {
    const auto name = unescaped_name(words.rest());
    if (!name) return false;
    if (key == "archive") {
      state.archives.push_back(*name);
    } else {
      state.collect_dir = *name;
    }
    return true;
  }
  if (key == "published") {
    state.published = read_published(words);
    return state.published.has_value();
  }
  if (key == "staged") {
    const auto when = words.number<std::int64_t>();
    if (state.published) state.published->staged = when;
    return state.published && when;
  }
  if (key == "waiting") {
    state.waiting = read_waiting(words);
    return state.waiting.has_value();
  }
  const std::string_view value = words.rest();
  if (key == "base") {
    state.base = value == "confirmed" ? Base::confirmed : Base::nothing;
    return value == "confirmed" || value == "nothing";
  }
  state.trusts_cedar = value == "yes";
  return key == "cedar-digests" && (value == "yes" || value == "no");
}

}  // namespace

std::optional<CollectState> read_collect_state(const staging::Directory& working) {
  auto text = SealedText::read(working, state_name, state_heading, longest_state);
  if (!text) return std::nullopt;
  CollectState state;
  while (const auto line = text->next())
    if (!take_line(state, *line)) text->refuse_line("it means nothing");
  return state;
}

void write_collect_state(const staging::Directory& working, const std::optional<staging::Ownership>& owner,
                         const CollectState& state) {
  SealedWriter writer(working, state_name, owner, state_heading);
  writer.line("collect-dir " + escaped_name(state.collect_dir));
  writer.line(std::string("base ") + (state.base == Base::confirmed ? "confirmed" : "nothing"));
  writer.line(std::string("cedar-digests ") + (state.trusts_cedar ? "yes" : "no"));
  if (const auto& published = state.published) {
    writer.line("published " + published->id + " " + std::to_string(published->modified) + " " +
                std::to_string(published->inode));
    if (published->staged) writer.line("staged " + std::to_string(*published->staged));
  }
  if (const auto& waiting = state.waiting)
    writer.line("waiting " + waiting->id + " " + std::to_string(waiting->staged));
  for (const std::string& archive : state.archives) writer.line("archive " + escaped_name(archive));
  writer.commit();
}

}  // namespace peerstage::peers::collect
