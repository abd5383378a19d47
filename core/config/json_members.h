// The members of requests, events and what they hold, for json_archive.h. Structured bindings name
// them, so that a new member stops the compiler here until it has its place.
#pragma once

#include "core/api/engine.h"
#include "core/config/json_archive.h"

namespace likeness::config {

template <>
inline constexpr int kEnumSize<api::Stage> = static_cast<int>(api::Stage::Bench) + 1;
template <>
inline constexpr int kEnumSize<api::PictureKind> = static_cast<int>(api::PictureKind::Sheet) + 1;
template <>
inline constexpr int kEnumSize<api::AdviceState> = static_cast<int>(api::AdviceState::Drifting) + 1;
template <>
inline constexpr int kEnumSize<api::Series> = static_cast<int>(api::Series::ClipPrompt) + 1;
template <>
inline constexpr int kEnumSize<api::PixelFormat> = static_cast<int>(api::PixelFormat::Gray8) + 1;
template <>
inline constexpr int kEnumSize<api::ErrorCode> = static_cast<int>(api::ErrorCode::EngineMissing) +
                                                 1;

// ---- requests

template <class A, As<api::ModelRef> M>
void members(A& a, M& model) {
  auto& [path, checkpoint, hash, vae, prediction] = model;
  a("path", path)("checkpoint", checkpoint)("hash", hash)("vae", vae)("prediction", prediction);
}
template <class A, As<api::AdapterRef> R>
void members(A& a, R& adapter) {
  auto& [file, strength] = adapter;
  a("file", file)("strength", strength);
}
template <class A, As<api::CropRect> C>
void members(A& a, C& crop) {
  auto& [x, y, width, height] = crop;
  a("x", x)("y", y)("width", width)("height", height);
}
template <class A, As<api::Photo> P>
void members(A& a, P& photo) {
  auto& [file, caption, crop, excluded, mask, repeats] = photo;
  a("file", file)("caption", caption)("crop", crop)("exclude", excluded);
  a("mask", mask)("repeats", repeats);
}
template <class A, As<api::FurtherSubject> F>
void members(A& a, F& further) {
  auto& [subject, photos, classFolder] = further;
  a("subject", subject)("photos", photos)("classFolder", classFolder);
}
template <class A, As<api::TrainRequest> R>
void members(A& a, R& request) {
  auto& [base,
         photos,
         subject,
         furtherSubjects,
         training,
         lora,
         embedding,
         loss,
         data,
         prior,
         optimizer,
         memory,
         watch,
         checkpoints,
         compute,
         runFolder,
         classImageFolder,
         cacheFolder,
         resume] = request;
  a("base", base)("photos", photos)("subject", subject)("furtherSubjects", furtherSubjects);
  a("training", training)("lora", lora)("embedding", embedding)("loss", loss)("data", data);
  a("prior", prior)("optimizer", optimizer)("memory", memory)("watch", watch);
  a("checkpoints", checkpoints)("compute", compute)("runFolder", runFolder);
  a("classImageFolder", classImageFolder)("cacheFolder", cacheFolder)("resume", resume);
}
/// Its plain members stand in its field table; a test counts them.
template <class A, As<api::GenerateRequest> R>
void members(A& a, R& request) {
  a("model", request.model)("adapters", request.adapters).table("request", request);
  api::forEachSection(request, [&](const char* name, auto& options) { a(name, options); });
  a("outFolder", request.outFolder);
}
template <class A, As<api::ClassImagesRequest> R>
void members(A& a, R& request) {
  auto& [base, subject, prior, resolution, seed, compute, outFolder] = request;
  a("base", base)("subject", subject)("prior", prior)("resolution", resolution)("seed", seed);
  a("compute", compute)("outFolder", outFolder);
}
template <class A, As<api::ExportRequest> R>
void members(A& a, R& request) {
  auto& [runFolder, checkpoint, format, dtype, out, compute] = request;
  a("runFolder", runFolder)("checkpoint", checkpoint)("format", format)("dtype", dtype);
  a("out", out)("compute", compute);
}
template <class A, As<api::ConvertRequest> R>
void members(A& a, R& request) {
  auto& [model, form, dtype, shardMiB, out] = request;
  a("model", model)("form", form)("dtype", dtype)("shardMiB", shardMiB)("out", out);
}
template <class A, As<api::MergeRequest> R>
void members(A& a, R& request) {
  auto& [first, second, third, method, ratio, form, dtype, shardMiB, out] = request;
  a("a", first)("b", second)("c", third)("method", method)("ratio", ratio)("form", form);
  a("dtype", dtype)("shardMiB", shardMiB)("out", out);
}
template <class A, As<api::ExtractRequest> R>
void members(A& a, R& request) {
  auto& [base, tuned, rank, alpha, form, dtype, out] = request;
  a("base", base)("tuned", tuned)("rank", rank)("alpha", alpha)("form", form)("dtype", dtype);
  a("out", out);
}
template <class A, As<api::BenchRequest> R>
void members(A& a, R& request) {
  auto& [model, repeats, compute] = request;
  a("model", model)("repeats", repeats)("compute", compute);
}

// ---- events

template <class A, As<api::Error> E>
void members(A& a, E& error) {
  auto& [code, context, detail] = error;
  a("code", code)("context", context)("detail", detail);
}
/// Without its bytes, which are no JSON.
template <class A, As<api::Image> I>
void members(A& a, I& image) {
  a("width", image.width)("height", image.height)("format", image.format);
}
template <class A, As<api::JobQueued> E>
void members(A&, E&) {}
template <class A, As<api::JobStarted> E>
void members(A&, E&) {}
template <class A, As<api::StageChanged> E>
void members(A& a, E& changed) {
  auto& [stage] = changed;
  a("stage", stage);
}
template <class A, As<api::Progress> E>
void members(A& a, E& progress) {
  auto& [stage, done, total, secondsPerUnit, secondsLeft] = progress;
  a("stage", stage)("done", done)("total", total)("secondsPerUnit", secondsPerUnit);
  a("secondsLeft", secondsLeft);
}
template <class A, As<api::PictureReady> E>
void members(A& a, E& picture) {
  auto& [kind, image, file, step, index, total, prompt, seed] = picture;
  a("kind", kind)("image", image)("file", file)("step", step)("index", index)("total", total);
  a("prompt", prompt)("seed", seed);
}
template <class A, As<api::CheckpointSaved> E>
void members(A& a, E& saved) {
  auto& [step, folder] = saved;
  a("step", step)("folder", folder);
}
template <class A, As<api::Advice> E>
void members(A& a, E& advice) {
  auto& [state, step, bestStep, subjectFall, classRise, classDrift, dino] = advice;
  a("state", state)("step", step)("bestStep", bestStep)("subjectFall", subjectFall);
  a("classRise", classRise)("classDrift", classDrift)("dino", dino);
}
template <class A, As<api::Warning> E>
void members(A& a, E& warning) {
  auto& [error] = warning;
  a("error", error);
}
template <class A, As<api::Completed> E>
void members(A& a, E& completed) {
  auto& [artifacts, figures] = completed;
  a("artifacts", artifacts)("figures", figures);
}
template <class A, As<api::Cancelled> E>
void members(A& a, E& cancelled) {
  auto& [artifacts, figures] = cancelled;
  a("artifacts", artifacts)("figures", figures);
}
template <class A, As<api::Failed> E>
void members(A& a, E& failed) {
  auto& [error] = failed;
  a("error", error);
}
template <class A, As<api::JobFinished> E>
void members(A& a, E& finished) {
  auto& [outcome] = finished;
  a("outcome", outcome);
}
template <class A, As<api::Event> E>
void members(A& a, E& event) {
  auto& [job, sequence, body] = event;
  a("job", job)("sequence", sequence)("body", body);
}

// ---- what else an engine tells

template <class A, As<api::MetricSample> M>
void members(A& a, M& sample) {
  auto& [step, series, value] = sample;
  a("step", step)("series", series)("value", value);
}
template <class A, As<api::Device> D>
void members(A& a, D& device) {
  auto& [id, name, memoryMiB, freeMiB, bf16, note] = device;
  a("id", id)("name", name)("memoryMiB", memoryMiB)("freeMiB", freeMiB)("bf16", bf16);
  a("note", note);
}

}  // namespace likeness::config
