/* Answers come from the file that FAKE_DRIVER names: one `key=value` per line.
 * A question that the file does not answer is one that the device does not support. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT 1024

/* Return whether *key* is answered, and copy its value. */
static int look_up(const char *key, char *value)
{
    char line[TEXT];
    size_t length = strlen(key);
    const char *path = getenv("FAKE_DRIVER");
    FILE *file = path ? fopen(path, "r") : NULL;
    int found = 0;
    while (file && !found && fgets(line, sizeof line, file)) {
        if (!strncmp(line, key, length) && line[length] == '=') {
            line[strcspn(line, "\n")] = 0;
            strcpy(value, line + length + 1);
            found = 1;
        }
    }
    if (file)
        fclose(file);
    return found;
}

/* Return the number that answers *key*, else *otherwise*. */
static long long number_of(const char *key, long long otherwise)
{
    char value[TEXT];
    return look_up(key, value) ? atoll(value) : otherwise;
}
