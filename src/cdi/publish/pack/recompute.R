# The headline rate of an audit from the published tables alone, by R's survey package: an
# implementation that shares no line with the project's. Prints rate, standard error and limits.
#   Rscript recompute.R logs.csv strata.csv
suppressPackageStartupMessages(library(survey))
files <- commandArgs(trailingOnly = TRUE)
logs <- read.csv(files[1])
strata <- read.csv(files[2])
logs$population <- strata$log_count[match(logs$stratum, strata$stratum)]
predicted <- c("predicted_recorded", "predicted_due", "predicted_missed")

drawn <- svydesign(ids = ~1, strata = ~stratum, fpc = ~population, data = logs)
x <- cbind(model.matrix(~ factor(stratum), logs), as.matrix(logs[predicted]))
totals <- c(sum(strata$log_count), strata$log_count[-1], colSums(strata[predicted]))
# predictions may be constant within strata: what says nothing new is left out
kept <- qr(x)$pivot[seq_len(qr(x)$rank)]
x <- x[, kept]
totals <- totals[kept]
colnames(x) <- names(totals) <- paste0("x", seq_along(totals))
drawn <- update(drawn, x = x)
calibrated <- calibrate(drawn, as.formula("~ x - 1"), setNames(totals, paste0("x", names(totals))))
ratio <- svyratio(~recorded_count, ~due_count, calibrated)

# second readings: what they changed in the logs that were read twice stands for the others of their
# stratum too, and the strata of the second draw add a variance of their own (double sampling)
cw <- weights(calibrated)
twice <- logs$is_read_twice == "true"
audited_2 <- table(logs$second_stratum)
read_2 <- table(factor(logs$second_stratum[twice], names(audited_2)))
stands_for <- as.numeric((audited_2 / read_2)[as.character(logs$second_stratum)])
unread <- function(change) sum((cw * (stands_for - 1) * change)[twice])
due <- sum(cw * logs$due_count) + unread(logs$due_count - logs$first_due_count)
recorded <- sum(cw * logs$recorded_count) + unread(logs$recorded_count - logs$first_recorded_count)
rate <- recorded / due

# the variance as survey has it, and with each stratum's pooled with the predicted one (5 logs' worth)
w <- weights(drawn)
g <- weights(calibrated) / w
z <- (logs$recorded_count - rate * logs$due_count) / due
e <- g * lm.wfit(x, z, w)$residuals
size <- table(factor(logs$stratum, strata$stratum))
within <- tapply(e, factor(logs$stratum, strata$stratum), var)
within[size == 1] <- 0 # a stratum of one log, which was drawn
factor_h <- strata$log_count * (strata$log_count - size) / size
if (all(logs$due_count == logs$first_due_count & logs$recorded_count == logs$first_recorded_count)) {
  stopifnot(abs(sqrt(sum(factor_h * within)) - as.numeric(SE(ratio))) < 1e-9)
}
more <- size - 1
pooled <- (5 * strata$predicted_variance / due^2 + more * within) / (5 + more)
first <- sum(factor_h * pooled)

change <- logs$recorded_count - logs$first_recorded_count -
  rate * (logs$due_count - logs$first_due_count)
share <- (sum(change[twice]^2) + 0.05) / (sum(logs$expected_change[twice]) + 0.5)
expected <- tapply(share * (cw / due)^2 * logs$expected_change, logs$second_stratum, mean)
seen <- tapply((cw / due * change)[twice], factor(logs$second_stratum[twice], names(audited_2)), var)
n <- as.numeric(read_2)
seen[n == 1] <- 0
big_n <- as.numeric(audited_2)
pooled_2 <- (expected + (n - 1) * seen) / n
second <- sum(big_n * (big_n - n) / n * pooled_2)
se <- sqrt(first + second)
degrees <- se^4 / (first^2 / (nrow(logs) - nrow(strata)) + second^2 / (sum(n) - length(n)))
if (rate > 0 && rate < 1) {
  half <- qt(0.975, degrees) * se / (rate * (1 - rate))
  limits <- plogis(qlogis(rate) + c(-half, half))
} else {
  # all crimes were recorded, or none, and neither has a logit: exact limits (Clopper and Pearson) on as
  # many logs drawn alike as the audited ones with a crime are worth by their weights (Kish), less what
  # few degrees of freedom cost (Korn and Graubard)
  weight <- w * logs$due_count
  worth <- sum(weight)^2 / sum(weight^2)
  size <- worth * (qt(0.975, worth - 1) / qt(0.975, degrees))^2
  limits <- if (rate == 0) c(0, qbeta(0.975, 1, size)) else c(qbeta(0.025, size, 1), 1)
}
cat(sprintf("%.12f", c(rate, se, limits)), sep = "\n")
