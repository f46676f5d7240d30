#include <locale.h>

#include "base/fault.h"
#include "daemon/command.h"

int main(int argc, char **argv)
{
	seg_faults_begin();
	setlocale(LC_ALL, "C"); /* numbers are written and read the same everywhere */
	return seg_command_main(argc, argv);
}
