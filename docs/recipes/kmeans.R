# R's own k-means on the pixels that sklearn_128.py wrote: 128 centers, one random start, as usual.
#
#   Rscript docs/recipes/kmeans.R recipe-sklearn_128/pixels.csv > docs/recipes/kmeans.Rout

path <- commandArgs(trailingOnly = TRUE)[1]
pixels <- as.matrix(read.csv(path, header = FALSE)) / 255

cat("version", R.version.string, "\n")
cat("date", format(Sys.Date()), "\n")
if (file.exists("/proc/cpuinfo")) { # Linux only
  cat("machine", sub(".*: ", "", grep("model name", readLines("/proc/cpuinfo"), value = TRUE)[1]), "\n")
}
cat("md5", unname(tools::md5sum(path)), "\n")
for (seed in 1:5) {
  set.seed(seed)
  warned <- "none"
  took <- system.time(found <- withCallingHandlers(
    kmeans(pixels, centers = 128, iter.max = 100), # Hartigan and Wong (1979)
    warning = function(w) {
      warned <<- conditionMessage(w)
      invokeRestart("muffleWarning")
    }
  ))["user.self"]
  rounded <- round(found$centers * 255)[found$cluster, ]
  mse <- sum((pixels * 255 - rounded)^2) / nrow(pixels)
  cat("run", seed, sprintf("%.6f", found$tot.withinss), sprintf("%.4f", mse),
      found$iter, sprintf("%.2f", took), "#", warned, "\n")
}
