/* SPDX-License-Identifier: GPL-2.0-only */
/* A font of 5 x 8 points: for each character from ' ' to '~' five columns, bit 0 on top. */
#ifndef SMEMV_PNG_FONT_H
#define SMEMV_PNG_FONT_H

#include <stdint.h>

extern const uint8_t png_font[95][5];

#endif
