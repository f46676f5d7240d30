/* The chi-squared distribution. Pure. */
#ifndef SEG_SEGMENTER_CHI2_H
#define SEG_SEGMENTER_CHI2_H

/* Probability that a chi-squared variable with df > 0 degrees of freedom is above x. About 1e-14 relative. */
double seg_chi2_above(double x, double df);

/* The value that is exceeded with probability p, 0 < p < 1. */
double seg_chi2_critical(double p, double df);

#endif
