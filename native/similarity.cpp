// SSIMULACRA2: how much a picture looks like its original, 100 for the same picture.
// Sneyers (2022, 2023), https://github.com/cloudinary/ssimulacra2: the method, the constants and the
// weights. Written anew here, in sums of fixed order and without libm, for the same bits everywhere.
#include <algorithm>
#include <array>
#include <cmath>

#include "core.hpp"
#include "parallel.hpp"

namespace smalti {
namespace {

constexpr size_t least_side = 8;  // pixels; smaller scales say nothing
constexpr size_t most_scales = 6;
constexpr size_t band = 64;  // rows that are worked on together

// For each channel, each scale and each of the two norms: of the structure, of artifacts, of what
// detail is lost. Tuned by the author of the method to what people said of compressed pictures.
constexpr double weights[108] = {
    0.0, 0.0007376606707406586, 0.0, 0.0, 0.0007793481682867309, 0.0, 0.0, 0.0004371155730107379,
    0.0, 1.1041726426657346, 0.00066284834129271, 0.00015231632783718752, 0.0,
    0.0016406437456599754, 0.0, 1.8422455520539298, 11.441172603757666, 0.0,
    0.0007989109436015163, 0.000176816438078653, 0.0, 1.8787594979546387, 10.94906990605142, 0.0,
    0.0007289346991508072, 0.9677937080626833, 0.0, 0.00014003424285435884, 0.9981766977854967,
    0.00031949755934435053, 0.0004550992113792063, 0.0, 0.0, 0.0013648766163243398, 0.0, 0.0, 0.0,
    0.0, 0.0, 7.466890328078848, 0.0, 17.445833984131262, 0.0006235601634041466, 0.0, 0.0,
    6.683678146179332, 0.00037724407979611296, 1.027889937768264, 225.20515300849274, 0.0, 0.0,
    19.213238186143016, 0.0011401524586618361, 0.001237755635509985, 176.39317598450694, 0.0, 0.0,
    24.43300999870476, 0.28520802612117757, 0.0004485436923833408, 0.0, 0.0, 0.0,
    34.77906344483772, 44.835625328877896, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
    0.0008680556573291698, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0005313191874358747, 0.0,
    0.00016533814161379112, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0004179171803251336, 0.0017290828234722833,
    0.0, 0.0020827005846636437, 0.0, 0.0, 8.826982764996862, 23.19243343998926, 0.0,
    95.1080498811086, 0.9863978034400682, 0.9834382792465353, 0.0012286405048278493,
    171.2667255897307, 0.9807858872435379, 0.0, 0.0, 0.0, 0.0005130064588990679, 0.0,
    0.00010854057858411537,
};

// x to the exponent, both above 0, to the last few bits.
double power(double x, double exponent) noexcept {
    constexpr double ln2 = 0.69314718055994530942;
    int twos;
    double m = std::frexp(x, &twos);  // exact
    if (m < 0.70710678118654752440) m *= 2, --twos;
    const double z = (m - 1) / (m + 1), z2 = z * z;
    double series = 0;
    for (int i = 27; i >= 1; i -= 2) series = series * z2 + 1.0 / i;
    const double log = exponent * (twos * ln2 + 2 * z * series);
    const double whole = std::floor(log / ln2 + 0.5);
    const double r = log - whole * ln2;
    double exp = 1;
    for (int i = 18; i >= 1; --i) exp = 1 + exp * r / i;
    return std::ldexp(exp, static_cast<int>(whole));  // exact
}

double fourth_root(double x) noexcept { return std::sqrt(std::sqrt(x)); }  // both as IEEE 754 has it

// From the sums of each scale to points.
double points(const std::vector<std::array<MapSums, 3>>& scales,
              const std::vector<double>& pixels) noexcept {
    double sum = 0;
    const double* weight = weights;
    for (size_t channel = 0; channel < 3; ++channel)
        for (size_t scale = 0; scale < scales.size(); ++scale) {
            const MapSums& maps = scales[scale][channel];
            for (int map = 0; map < 3; ++map, ++weight)
                sum += *weight * (maps.first[map] / pixels[scale]);
            for (int map = 0; map < 3; ++map, ++weight)
                sum += *weight * fourth_root(maps.fourth[map] / pixels[scale]);
        }
    sum *= 0.9562382616834844;
    sum = 2.326765642916932 * sum - 0.020884521182843837 * sum * sum +
          6.248496625763138e-05 * sum * sum * sum;
    return sum > 0 ? 100.0 - 10.0 * power(sum, 0.6276336467831387) : 100.0;
}

}  // namespace

Pyramid::Pyramid(const uint8_t* pixels, size_t height, size_t width, const double* linear,
                 unsigned threads)
    : pixels_(pixels) {
    for (int value = 0; value < 256; ++value) linear_[value] = static_cast<float>(linear[value]);
    scales_.push_back({height, width, {}});
    while (scales_.size() < most_scales) {
        const Scale& above = scales_.back();
        Scale scale{(above.height + 1) / 2, (above.width + 1) / 2, {}};
        if (scale.height < least_side || scale.width < least_side) break;
        scale.light = allocate<float>(scale.height * scale.width * 3);
        halve(scales_.size() - 1, scale, threads);
        scales_.push_back(std::move(scale));
    }
}

void Pyramid::halve(size_t from, Scale& to, unsigned threads) const {
    const size_t width = scales_[from].width, height = scales_[from].height;
    parallel_chunks(to.height, band, threads, [&](size_t begin, size_t end, size_t) {
        std::vector<float> rows(width * 6);
        for (size_t y = begin; y < end; ++y) {
            float* above = rows.data();
            float* below = above + width * 3;
            // At an odd edge the last row or column stands for its missing neighbor.
            row(from, 2 * y, above, width);
            row(from, std::min(2 * y + 1, height - 1), below, width);
            for (size_t channel = 0; channel < 3; ++channel) {
                const float* a = above + channel * width;
                const float* b = below + channel * width;
                float* out = &to.light[(channel * to.height + y) * to.width];
                for (size_t x = 0; x < to.width; ++x) {
                    const size_t right = std::min(2 * x + 1, width - 1);
                    out[x] = ((a[2 * x] + a[right]) + (b[2 * x] + b[right])) * 0.25f;
                }
            }
        }
    });
}

void Pyramid::row(size_t scale, size_t y, float* light, size_t stride) const noexcept {
    const size_t width = scales_[scale].width;
    if (scale == 0) {
        const uint8_t* pixel = pixels_ + y * width * 3;
        for (size_t x = 0; x < width; ++x, pixel += 3)
            for (size_t channel = 0; channel < 3; ++channel)
                light[channel * stride + x] = linear_[pixel[channel]];
        return;
    }
    const Scale& from = scales_[scale];
    for (size_t channel = 0; channel < 3; ++channel)
        std::copy_n(&from.light[(channel * from.height + y) * width], width, light + channel * stride);
}

double similarity(const Pyramid& original, const Pyramid& result, unsigned threads) {
    struct Task { size_t scale, begin, end; };
    std::vector<Task> tasks;
    std::vector<double> pixels;
    for (size_t scale = 0; scale < original.scales(); ++scale) {
        const size_t height = original.height(scale);
        pixels.push_back(static_cast<double>(height) * static_cast<double>(original.width(scale)));
        for (size_t y = 0; y < height; y += band)
            tasks.push_back({scale, y, std::min(height, y + band)});
    }
    std::vector<std::array<MapSums, 3>> found(tasks.size()), sums(original.scales());
    parallel_for(tasks.size(), threads, [&](size_t i, unsigned) {
        const Task& task = tasks[i];
        kernels().maps(original, result, task.scale, task.begin, task.end, found[i].data());
    });
    for (size_t i = 0; i < tasks.size(); ++i)
        for (size_t channel = 0; channel < 3; ++channel)
            for (int map = 0; map < 3; ++map) {
                sums[tasks[i].scale][channel].first[map] += found[i][channel].first[map];
                sums[tasks[i].scale][channel].fourth[map] += found[i][channel].fourth[map];
            }
    return points(sums, pixels);
}

}  // namespace smalti
