#include "hal/disk/log_writer.hpp"

#include <utility>

#include "hal/base/crc32c.hpp"
#include "hal/base/log.hpp"

namespace hal::disk {

LogWriter::LogWriter(Disk& disk, std::filesystem::path folder, std::uint64_t identity, std::uint32_t segment_bytes, std::unique_ptr<File> active)
    : disk_(disk), folder_(std::move(folder)), identity_(identity), segment_bytes_(segment_bytes), file_(std::move(active)) {}

WriteResult LogWriter::run(WriteJob& job) noexcept {
    WriteResult result;
    try {
        if (job.chunk && job.chunk->creates) create(job.chunk->segment, job.marks, result);
        HAL_REQUIRE(file_);
        if (job.chunk) write(*job.chunk, job.group_begin, result);
        if (job.sync) file_->sync_data();
    } catch (const Error& e) {
        result.failure = e;
    } catch (const std::exception& e) {
        result.failure = Error(Code::internal, e.what());
    }
    if (result.failure) file_.reset();
    if (!job.chunk || !job.chunk->seal || result.failure) return result;
    // Behind the seal nothing counts, so the space is given back without waiting for it to be durable.
    try {
        file_->truncate(std::uint64_t{job.chunk->end} + format::seal_bytes);
    } catch (const std::exception& e) {
        log::warn("disk", "{}", e.what());
    }
    file_.reset();
    return result;
}

// Head and name are durable before a record is written: who finds a record finds its segment.
void LogWriter::create(std::uint32_t segment, const std::vector<format::Mark>& marks, WriteResult& result) {
    file_.reset();
    const auto path = folder_ / format::file_name(segment);
    auto file = disk_.open(path, Disk::Mode::create);
    try {
        file->allocate(segment_bytes_);
        const auto head = format::encode_head({.segment = segment, .identity = identity_, .marks = marks});
        const std::string_view part = head;
        file->write_at(0, {&part, 1});
        result.written_bytes += head.size();
        file->sync_data();
        disk_.sync_folder(folder_);
    } catch (const Error&) {
        file.reset();
        try {
            disk_.remove(path);
        } catch (const Error& e) {
            log::warn("disk", "{}", e.what());  // found and removed by the next start
        }
        throw;
    }
    result.created = true;
    file_ = std::move(file);
}

void LogWriter::write(Chunk& chunk, std::uint32_t group_begin, WriteResult& result) {
    const auto seed = format::seed(identity_, chunk.segment);
    const std::string_view buffer = chunk.buffer;
    for (const auto& entry : chunk.entries) {
        const std::string_view tail = entry.tail < 0 ? std::string_view() : chunk.tails[static_cast<std::size_t>(entry.tail)].bytes;
        const auto body = buffer.substr(entry.buffer_at + format::frame_bytes, entry.length - tail.size());
        format::Frame frame{.length = entry.length,
                            .group_begin = group_begin,
                            .type = entry.type,
                            .version = entry.version,
                            .has_zeros = false,
                            .body_crc = crc32c(tail, crc32c(body))};
        char* const at = chunk.buffer.data() + entry.buffer_at;
        format::encode_frame(at, frame, seed, entry.offset);
        format::ZeroFinder zeros(entry.offset);
        zeros.feed(buffer.substr(entry.buffer_at, format::frame_bytes + body.size()));
        zeros.feed(tail);
        if (!zeros.found()) continue;
        frame.has_zeros = true;
        format::encode_frame(at, frame, seed, entry.offset);
    }
    if (chunk.seal) chunk.buffer += format::encode_seal(*chunk.seal, group_begin, seed, chunk.end);
    std::vector<std::string_view> parts;
    parts.reserve(2 * chunk.tails.size() + 1);
    std::size_t from = 0;
    for (const auto& tail : chunk.tails) {
        parts.push_back(std::string_view(chunk.buffer).substr(from, tail.buffer_at - from));
        parts.emplace_back(tail.bytes);
        from = tail.buffer_at;
    }
    if (from < chunk.buffer.size()) parts.push_back(std::string_view(chunk.buffer).substr(from));
    if (parts.empty()) return;
    file_->write_at(chunk.begin, parts);
    for (const auto part : parts) result.written_bytes += part.size();
}

}  // namespace hal::disk
