/* Every number of the file is checked here, once: the kernels that read them check nothing. */
#include "pipeline_file.h"

#include <string.h>

enum {
    VERSION = 1,
    HEAD_WORDS = 14,
    BACK_WORDS = 12,
    TABLE_WORDS = 256,
    MOST_FRAME_BYTES = 1 << 28,
    MOST_INPUT_BYTES = 1 << 26,
    MOST_WEIGHTS = 1 << 24,
    MOST_CLASSES = 1 << 12,
    MOST_BOXES = 1 << 14,
    ONE = 1 << 16,
    EXP_ONE = 1 << 24,
};

_Static_assert(sizeof(es_affine_t) == 16 && sizeof(es_taps_t) == 8,
               "the file has them as they are");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the file is little-endian");

typedef struct reader {
    const uint8_t *at;
    size_t left;
} reader_t;

/* The next bytes, or NULL where there are fewer. */
static const void *next(reader_t *reader, size_t bytes) {
    const uint8_t *at = reader->at;
    if (bytes > reader->left) {
        return NULL;
    }
    reader->at += bytes;
    reader->left -= bytes;
    return at;
}

static bool within(uint32_t value, uint32_t least, uint32_t most) {
    return value >= least && value <= most;
}

static const char *read_head(pipeline_file_t *file, const uint32_t *head, uint32_t *weights) {
    es_image_front_t *front = &file->front;
    const bool is_whole = head[4] == 22 && head[5] == 0, is_fine = head[4] == 16 && head[5] == 7;
    if (memcmp(head, "ESPF", 4) != 0 || head[1] != VERSION) {
        return "it is no pipeline of this version";
    }
    if (head[2] > ES_YUYV || head[3] > ES_GRAY || !(is_whole || is_fine) || head[10] > 1 ||
        !within(head[6], 1, UINT16_MAX) || !within(head[7], 1, UINT16_MAX) ||
        !within(head[8], 1, UINT16_MAX) || !within(head[9], 1, UINT16_MAX) ||
        !within(head[11], 1, MOST_WEIGHTS) || (head[2] == ES_YUYV && head[6] % 2 != 0)) {
        return "its frame or input is out of range";
    }
    file->channels = head[3] == ES_GRAY ? 1 : 3;
    const uint64_t frame = (uint64_t)head[6] * head[7] *
                           (head[2] == ES_GRAY8    ? 1
                            : head[2] <= ES_BGR888 ? 3
                                                   : 2);
    const uint64_t area = (uint64_t)head[8] * head[9];
    if (frame > MOST_FRAME_BYTES || area * file->channels > MOST_INPUT_BYTES) {
        return "its frame or input is too large";
    }
    file->frame_bytes = (uint32_t)frame;
    file->input_bytes = (uint32_t)area * file->channels;
    front->format = (uint8_t)head[2];
    front->colour = (uint8_t)head[3];
    front->weight_bits = (uint8_t)head[4];
    front->level_bits = (uint8_t)head[5];
    front->frame_width = (uint16_t)head[6];
    front->frame_height = (uint16_t)head[7];
    front->out_width = (uint16_t)head[8];
    front->out_height = (uint16_t)head[9];
    front->row_step = head[8] * (head[10] == 0 ? file->channels : 1);
    front->column_step = head[10] == 0 ? file->channels : 1;
    front->channel_step = head[10] == 0 ? 1 : (uint32_t)area;
    *weights = head[11];
    return NULL;
}

static bool are_taps(const es_taps_t *taps, uint32_t count, uint32_t extent, uint32_t weights) {
    for (uint32_t i = 0; i < count; i++) {
        if (taps[i].count < 1 || (uint32_t)taps[i].first + taps[i].count > extent ||
            (uint64_t)taps[i].weight + taps[i].count > weights) {
            return false;
        }
    }
    return true;
}

/* A level has 16 bits: so the product and the sum stay within 64. */
static bool are_affines(const es_affine_t *affines, uint32_t count) {
    const int64_t most = INT64_C(1) << 62;
    for (uint32_t c = 0; c < count; c++) {
        if (!within(affines[c].shift, 1, 46) || affines[c].bias >= most ||
            affines[c].bias <= -most) {
            return false;
        }
    }
    return true;
}

static const char *read_front(pipeline_file_t *file, reader_t *reader, uint32_t weights) {
    es_image_front_t *front = &file->front;
    front->affines = next(reader, file->channels * sizeof *front->affines);
    front->rows = next(reader, front->out_height * sizeof *front->rows);
    front->columns = next(reader, front->out_width * sizeof *front->columns);
    front->weights = next(reader, weights * sizeof *front->weights);
    if (front->affines == NULL || front->rows == NULL || front->columns == NULL ||
        front->weights == NULL) {
        return "it is cut off";
    }
    if (!are_taps(front->rows, front->out_height, front->frame_height, weights) ||
        !are_taps(front->columns, front->out_width, front->frame_width, weights) ||
        !are_affines(front->affines, file->channels)) {
        return "a table of its camera is out of range";
    }
    return NULL;
}

/* A softmax divides by a sum that has the table's first entry in it. */
static bool is_table(const es_scores_t *scores) {
    for (uint32_t i = 0; i < TABLE_WORDS; i++) {
        if (scores->table[i] > (uint32_t)(scores->is_softmax ? EXP_ONE : ONE)) {
            return false;
        }
    }
    return !scores->is_softmax || scores->table[0] > 0;
}

static const char *read_boxes(pipeline_file_t *file, reader_t *reader, const uint32_t *back,
                              es_scores_t scores) {
    const int32_t *coordinates = next(reader, TABLE_WORDS * sizeof *coordinates);
    if (coordinates == NULL) {
        return "it is cut off";
    }
    if (!within(back[2], 1, MOST_BOXES) || !within(back[3], 1, MOST_BOXES) || back[5] > ONE ||
        back[6] > 1 || back[7] > 1 || back[8] > 1 || back[0] <= back[7]) {
        return "its boxes are out of range";
    }
    for (uint32_t i = 0; i < TABLE_WORDS; i++) {
        if (coordinates[i] < -8 * ONE || coordinates[i] > 8 * ONE) {
            return "a coordinate is out of range";
        }
    }
    file->boxes = (es_boxes_back_t){
        .scores = scores,
        .coordinates = coordinates,
        .count = back[2],
        .most = back[3],
        .threshold = back[4],
        .overlap = back[5],
        .is_centre = (uint8_t)back[6],
        .has_background = (uint8_t)back[7],
        .per_class = (uint8_t)back[8],
    };
    file->boxes_output = back[9];
    file->scores_output = back[10];
    return NULL;
}

static const char *read_back(pipeline_file_t *file, reader_t *reader) {
    const uint32_t *back = next(reader, BACK_WORDS * sizeof *back);
    const uint32_t *table = next(reader, TABLE_WORDS * sizeof *table);
    if (back == NULL || table == NULL) {
        return "it is cut off";
    }
    if (!within(back[0], 1, MOST_CLASSES) || back[1] > 1 || back[4] > ONE || back[11] != 0) {
        return "its classes are out of range";
    }
    const es_scores_t scores = {
        .table = table, .classes = (uint16_t)back[0], .is_softmax = (uint8_t)back[1]};
    if (!is_table(&scores)) {
        return "its table of probabilities is out of range";
    }
    if (file->answers == ANSWERS_BOXES) {
        return read_boxes(file, reader, back, scores);
    }
    file->classes = (es_classes_back_t){.scores = scores, .top = back[2], .threshold = back[4]};
    return within(back[2], 1, back[0]) ? NULL : "its classes are out of range";
}

const char *pipeline_file_read(pipeline_file_t *file, const uint8_t *bytes, size_t count) {
    reader_t reader = {bytes, count};
    uint32_t weights;
    memset(file, 0, sizeof *file);
    const uint32_t *head = next(&reader, HEAD_WORDS * sizeof *head);
    if (head == NULL) {
        return "it is cut off";
    }
    const char *wrong = read_head(file, head, &weights);
    if (wrong == NULL && (head[12] > ANSWERS_BOXES || head[13] != 0)) {
        wrong = "it has answers of an unknown kind";
    }
    if (wrong == NULL) {
        file->answers = (answers_t)head[12];
        wrong = read_front(file, &reader, weights);
    }
    if (wrong == NULL && file->answers != ANSWERS_NONE) {
        wrong = read_back(file, &reader);
    }
    return wrong == NULL && reader.left > 0 ? "there is something behind its end" : wrong;
}
