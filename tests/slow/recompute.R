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
rate <- as.numeric(coef(ratio))

# the variance as survey has it, and with each stratum's pooled with the predicted one (5 logs' worth)
w <- weights(drawn)
g <- weights(calibrated) / w
due <- sum(weights(calibrated) * logs$due_count)
z <- (logs$recorded_count - rate * logs$due_count) / due
e <- g * lm.wfit(x, z, w)$residuals
size <- table(factor(logs$stratum, strata$stratum))
within <- tapply(e, factor(logs$stratum, strata$stratum), var)
factor_h <- strata$log_count * (strata$log_count - size) / size
stopifnot(abs(sqrt(sum(factor_h * within)) - as.numeric(SE(ratio))) < 1e-9)
more <- size - 1
pooled <- (5 * strata$predicted_variance / due^2 + more * within) / (5 + more)
se <- sqrt(sum(factor_h * pooled))
half <- qt(0.975, nrow(logs) - nrow(strata)) * se / (rate * (1 - rate))
cat(sprintf("%.12f", c(rate, se, plogis(qlogis(rate) + c(-half, half)))), sep = "\n")
