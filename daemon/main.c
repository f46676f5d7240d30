#include <locale.h>

#include "daemon/command.h"

int main(int argc, char **argv)
{
	setlocale(LC_ALL, "C"); /* numbers are written and read the same everywhere */
	return seg_command_main(argc, argv);
}
