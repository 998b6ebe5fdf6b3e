#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "peers/connection.h"
#include "peers/sftp/session.h"

namespace peerstage::peers::sftp {

/// Reads many files at once over one session, as fast as the line allows: while the data of some arrives, the
/// next are being asked for and others opened. Files are read in the order in which they were opened, each
/// front to back.
///
/// A file is opened, exactly its missing bytes are read in pieces, and it is closed. What one answer can
/// bring is asked for together with the opening, where the handle can be foretold. Answers come in any order
/// and may be short; the receiver gets every byte once and in order. What arrives too early is kept, and
/// counts against the same limit as what is on its way. Used once.
class Fetch {
 public:
  Fetch(Session& session, FileReceiver& receiver);

  /// See Connection::fetch.
  void run();

 private:
  using Index = std::uint32_t;
  static constexpr Index none = ~Index{0};

  /// One piece of a file, from its request until all of it was delivered.
  struct Piece {
    Index file = none;
    Index next = none;  ///< the piece behind it in the same file
    std::uint64_t offset = 0;
    std::uint32_t length = 0;
    std::uint32_t received = 0;
    std::vector<std::byte> kept;  ///< received before its turn
  };

  /// Of a file that was read with a handle that was foretold.
  enum class Foretold {
    no,       ///< or it is the handle: what comes is the file's
    open,     ///< nobody knows yet
    wrongly,  ///< what comes is not the file's
    refused   ///< there is no such file; it waits for the answer to its READ only
  };

  struct File {
    FetchRequest request;
    std::string handle;
    Foretold foretold = Foretold::no;
    std::uint64_t asked = 0;      ///< up to here the content was asked for
    std::uint64_t delivered = 0;  ///< up to here the receiver has it
    Index first_piece = none, last_piece = none;
    std::uint32_t unanswered = 0;  ///< READs
    bool opened_alone = false;     ///< no other was open or about to be when it was asked for
    bool failed = false;
  };

  /// What is done about a server that may have refused to open a file because too many were open. It does not
  /// say so: OpenSSH answers just "failure". So no more are opened until none is open, then one of the
  /// refused ones is tried alone: if that works, there were too many.
  enum class Doubt { none, waiting, trying };

  bool ended() const;
  void ask();
  bool may_open() const;
  std::size_t open_limit() const;
  std::optional<FetchRequest> next_request();
  void open(FetchRequest request);
  bool may_read() const;
  void read_next_piece();
  void ask_for_piece(Index file_index);
  bool may_read_at_once(const FetchRequest& request) const;

  void take(const Answer& answer);
  void opened(Index file_index, const Packet& packet);
  void told(File& file, std::string_view handle);
  void open_refused(Index file_index, const Status& status);
  void too_many_were_open();
  void read_answered(Index piece_index, const Answer& answer);
  void wrong_read_answered(Index piece_index, const Answer& answer);
  void check_length(const Piece& piece, std::span<const std::byte> data) const;
  void read_refused(Index file_index, const Status& status);
  void take_data(Index piece_index, std::span<const std::byte> data);
  void deliver(File& file, std::span<const std::byte> data);
  void deliver_kept(File& file);
  void ask_for_rest(Index piece_index);
  void fail(File& file, const Failure& failure);
  void close(Index file_index);

  Index new_file(FetchRequest request);
  void free_file(Index file_index);
  void give_up(Index file_index);
  void free_pieces(File& file);
  Index new_piece(Index file_index);
  void free_piece(Index piece_index);
  std::size_t active_files() const { return files_.size() - free_files_.size(); }
  std::string of(const File& file) const;

  Session& session_;
  FileReceiver& receiver_;
  std::vector<File> files_;
  std::vector<Index> free_files_;
  std::vector<Piece> pieces_;
  std::vector<Index> free_pieces_;
  std::deque<Index> unread_;          ///< open files of which not everything was asked for yet
  std::deque<FetchRequest> refused_;  ///< to be opened again
  Doubt doubt_ = Doubt::none;
  std::size_t open_when_refused_ = 0;          ///< the fewest that were open at a refusal in doubt
  std::size_t found_limit_ = ~std::size_t{0};  ///< of open files, as far as refusals taught it
  std::size_t open_ = 0;                       ///< files with a handle
  std::size_t bytes_on_their_way_ = 0;         ///< asked for and not delivered
  bool exhausted_ = false;                     ///< the receiver has no more requests
};

}  // namespace peerstage::peers::sftp
