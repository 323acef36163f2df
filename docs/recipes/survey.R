# What R makes of the tables of a survey: clusters of images, and how much of them each name covers.
#
#   Rscript docs/recipes/survey.R recipe-survey > docs/recipes/survey.Rout

folder <- commandArgs(trailingOnly = TRUE)[1]
apart <- as.dist(read.csv(file.path(folder, "distances.csv"), row.names = 1))
colors <- read.csv(file.path(folder, "colors.csv"))

cat("version", R.version.string, "\n")
cat("date", format(Sys.Date()), "\n")
cat("md5", unname(tools::md5sum(file.path(folder, "distances.csv"))), "\n")
groups <- cutree(hclust(apart, "average"), 6)
for (image in names(groups)) cat("image", groups[[image]], image, "\n")
covered <- sort(tapply(colors$share, colors$name, sum), decreasing = TRUE) / attr(apart, "Size")
for (name in head(names(covered), 5)) cat("name", name, sprintf("%.4f", covered[[name]]), "\n")
